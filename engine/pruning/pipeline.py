"""Prune a victim block by block, each group of linears after the groups before it have been pruned.

The dense and the sparse model run side by side over the same streams of real tokens. Within a block the order is
q, k, v → attention output → intermediate → output, and the statistics of a group are taken with all earlier groups
already pruned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.errors import SettingError
from engine.models.families import Block
from engine.models.forward import Stream, activated, after_attention, after_output, context, embed
from engine.models.victim import Victim
from engine.progress import Reporter, silent
from engine.pruning.methods import Method
from engine.pruning.solvers import blocked, check_sparsity, magnitude, refit
from engine.pruning.statistics import Gram
from engine.pruning.targets import factorise, retarget


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What happened to one linear."""

    layer: str  # `block.module`
    weights: int
    zeros: int
    tokens: int  # calibration tokens behind the statistics; 0 for a method that uses none
    inputs: int  # d_in; tokens / inputs below about 10 means noisy statistics
    damping: float  # what the factorisation needed
    alpha: float  # strength of the correction


@dataclass(frozen=True, slots=True)
class Pruned:
    """A pruned victim with the report of every layer."""

    victim: Victim
    sparsity: float  # asked for
    layers: tuple[LayerReport, ...]

    @property
    def achieved(self) -> float:
        """Zeros / prunable weights."""
        return sum(layer.zeros for layer in self.layers) / sum(layer.weights for layer in self.layers)


@dataclass(slots=True)
class _Pass:
    """One stream of tokens on its way through both models."""

    stream: Stream
    judging: bool  # these tokens judge the strength of the correction, see `_strength`
    dense: Tensor  # hidden state entering the current group's block, (tokens, width)
    sparse: Tensor


@torch.no_grad()  # not inference_mode: the pruned weights must stay ordinary tensors, fit for training
def prune(
    victim: Victim, texts: Sequence[str], pairs: Sequence[str] | None, method: Method, sparsity: float,
    report: Reporter = silent,
) -> Pruned:  # fmt: skip
    """Prune every block's linears to `sparsity`; the victim given is left as it is.

    `texts` (and `pairs`) are the calibration set; labels are not used. Raises SettingError for a sparsity outside
    [0, 1) or an empty calibration set, NumericalError when a layer's statistics stay singular.
    """
    check_sparsity(sparsity)
    sparse = victim.copy()
    blocks = list(zip(victim.family.blocks(victim.model), sparse.family.blocks(sparse.model), strict=True))
    if sparsity == 0:
        return Pruned(sparse, 0.0, tuple(_untouched(index, named) for index, (block, _) in enumerate(blocks)
                                         for named in block.linears.items()))  # fmt: skip
    if method.solver == "magnitude":
        return Pruned(sparse, sparsity, tuple(_by_magnitude(blocks, sparsity)))
    if not texts:
        raise SettingError(f"The method {method.name!r} needs calibration text; give at least a few hundred sentences.")
    passes = _passes(victim, texts, pairs)
    reports: list[LayerReport] = []
    for index, (dense_block, sparse_block) in enumerate(blocks):
        reports += _prune_block(index, dense_block, sparse_block, passes, method, sparsity, report, 4 * len(blocks))
    report("pruned", 4 * len(blocks), 4 * len(blocks))
    return Pruned(sparse, sparsity, tuple(reports))


def _passes(victim: Victim, texts: Sequence[str], pairs: Sequence[str] | None) -> list[_Pass]:
    """The calibration text as streams, every fifth sentence apart."""
    passes = []
    for judging in (False, True):
        rows = [row for row in range(len(texts)) if (row % 5 == 4) is judging]
        for stream in victim.streams([texts[r] for r in rows], [pairs[r] for r in rows] if pairs else None):
            hidden = embed(victim.family, victim.model, stream)
            passes.append(_Pass(stream, judging, hidden, hidden))  # embeddings are not pruned: both begin alike
    return passes


def _untouched(index: int, named: tuple[str, nn.Linear]) -> LayerReport:
    name, linear = named
    return LayerReport(f"{index}.{name}", linear.weight.numel(), 0, 0, linear.in_features, 0.0, 0.0)


def _by_magnitude(blocks: list[tuple[Block, Block]], sparsity: float) -> list[LayerReport]:
    reports = []
    for index, (_, block) in enumerate(blocks):
        for name, linear in block.linears.items():
            linear.weight.data = magnitude(linear.weight.data, sparsity)
            reports.append(_layer_report(index, name, linear, 0, 0.0, 0.0))
    return reports


def _layer_report(index: int, name: str, linear: nn.Linear, tokens: int, damping: float, alpha: float) -> LayerReport:
    zeros = int((linear.weight == 0).sum())
    return LayerReport(f"{index}.{name}", linear.weight.numel(), zeros, tokens, linear.in_features, damping, alpha)


def _prune_block(
    index: int, dense: Block, sparse: Block, passes: list[_Pass], method: Method, sparsity: float, report: Reporter,
    groups: int,
) -> list[LayerReport]:  # fmt: skip
    """Prune one block and carry every pass through it."""
    old, new = dense.linears, sparse.linears
    done = 4 * index

    def solve(names: tuple[str, ...], inputs: list[tuple[Tensor, Tensor, Tensor | None]]) -> list[LayerReport]:
        nonlocal done
        report(f"block {index + 1}: {' '.join(names)}", done, groups)
        done += 1
        return _prune_group(index, names, old, new, [p.judging for p in passes], inputs, method, sparsity)

    same = all(p.dense is p.sparse for p in passes)
    reports = solve(("query", "key", "value"), [(p.sparse, p.sparse if same else p.dense, None) for p in passes])
    mixed = [(_attend(sparse, new, p.sparse, p.stream), _attend(dense, old, p.dense, p.stream)) for p in passes]
    reports += solve(
        ("attention_output",),
        [(s, d, p.dense - p.sparse) for p, (s, d) in zip(passes, mixed, strict=True)],
    )
    after = [
        (after_attention(sparse, new["attention_output"](s), p.sparse),
         after_attention(dense, old["attention_output"](d), p.dense))
        for p, (s, d) in zip(passes, mixed, strict=True)
    ]  # fmt: skip
    reports += solve(("intermediate",), [(s, d, None) for s, d in after])
    wide = [(activated(sparse, new["intermediate"](s)), activated(dense, old["intermediate"](d))) for s, d in after]
    reports += solve(("output",), [(s, d, ad - as_) for (s, d), (as_, ad) in zip(wide, after, strict=True)])
    for p, (s, d), (as_, ad) in zip(passes, wide, after, strict=True):
        p.sparse = after_output(sparse, new["output"](s), as_)
        p.dense = after_output(dense, old["output"](d), ad)
    return reports


def _attend(block: Block, layers: dict[str, nn.Linear], hidden: Tensor, stream: Stream) -> Tensor:
    queries = (layers["query"](hidden), layers["key"](hidden), layers["value"](hidden))
    return context(block, hidden, stream.lengths, queries)


def _prune_group(
    index: int, names: tuple[str, ...], old: dict[str, nn.Linear], new: dict[str, nn.Linear], judging: list[bool],
    inputs: list[tuple[Tensor, Tensor, Tensor | None]], method: Method, sparsity: float,
) -> list[LayerReport]:  # fmt: skip
    """Solve the linears that share an input as one stacked matrix, each with its own exact share of zeros."""
    weight = torch.cat([old[name].weight for name in names])  # (d_out of all, d_in)
    fitting, judge = Gram(weight), Gram(weight)
    for apart, (sparse, dense, residual_drift) in zip(judging, inputs, strict=True):
        moved = method.alpha != 0 and dense is not sparse
        (judge if apart else fitting).add(
            sparse, dense if moved else None, residual_drift if moved and method.residual else None
        )
    alpha = _strength(fitting, judge, method) if method.alpha is None else method.alpha
    gram = fitting + judge
    factor = factorise(gram.hessian(), method.damping)
    target = retarget(weight, gram.drift(), factor, alpha)
    pieces = target.split([old[name].out_features for name in names])
    for name, piece in zip(names, pieces, strict=True):
        solved = blocked(piece, factor, sparsity)
        if method.refit_steps:
            solved = refit(solved, piece, factor.hessian, method.refit_steps)
        new[name].weight.data = solved
    return [_layer_report(index, name, new[name], gram.tokens, factor.damping, round(alpha, 6)) for name in names]


def _strength(fitting: Gram, judge: Gram, method: Method) -> float:
    """α in [0, 1] that the judging tokens like best, in closed form.

    With the correction Δ = C(H + Λ)⁻¹ fitted on the other tokens, ‖D − α Δ X_s‖² is smallest on the judging tokens at
    α = ⟨C', Δ⟩ / ⟨Δ H', Δ⟩, where C', H' are theirs. Too few tokens give a Δ that fits noise, and α says so.
    """
    drift, judged = fitting.drift(), judge.drift()
    if drift is None or judged is None:
        return 0.0
    factor = factorise(fitting.hessian(), method.damping)
    change = (drift @ factor.upper.T) @ factor.upper
    size = float(((change @ judge.hessian()) * change).sum())
    return min(1.0, max(0.0, float((judged * change).sum()) / size)) if size > 0 else 0.0

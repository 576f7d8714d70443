"""Prune a victim block by block, each group of linears after the groups before it have been pruned.

The dense model and one sparse model for every level run side by side over the same streams of real
tokens. Within a block the order is q, k, v → attention output → intermediate → output, and the
statistics of a group are taken with all earlier groups already pruned. Levels share the dense
model's pass and never see each other, so many in one pass equal as many passes.
"""

import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from prunescope.engine.errors import ModelError, SettingError
from prunescope.engine.models.families import Block
from prunescope.engine.models.forward import embed, streams
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.activations import GROUPS, Pass, Walk
from prunescope.engine.pruning.allocation import Shares, parse_layers
from prunescope.engine.pruning.heads import resolve_heads
from prunescope.engine.pruning.importance import Importance, measure_importance, sample_stream
from prunescope.engine.pruning.layerwise import (
    Level,
    damped,
    gather,
    layer_report,
    solve_group,
    wanted_of,
)
from prunescope.engine.pruning.memory import (
    halved,
    levels_at_once,
    out_of_memory,
    precise,
    shrinking,
)
from prunescope.engine.pruning.methods import Method
from prunescope.engine.pruning.plan import LayerReport, Plan, Pruned, level_name
from prunescope.engine.pruning.solvers import by_magnitude, loss_curves
from prunescope.engine.pruning.targets import factorise

# calibration tokens per input dimension; below, the statistics are noisy and a notice says so
ENOUGH = 3.0
# share of the prunable weights from which a notice speaks of zeros that a model was given with
NOTICED = 1e-3
STREAM = 8192  # tokens that go through a layer together


@dataclass
class Kept:
    """What is measured once for a victim, its calibration text and a plan, whatever the levels."""

    importance: Importance | None = None
    losses: dict[str, list[float]] | None = None  # by layer, at the allocation's grid


def prune(
    victim: Victim,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    plan: Plan | Method,
    sparsity: float,
    report: Progress = SILENT,
) -> Pruned:
    """One level of `prune_levels`."""
    return next(prune_levels(victim, texts, pairs, plan, (sparsity,), report))


def prune_levels(
    victim: Victim,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    plan: Plan | Method,
    levels: Sequence[float],
    report: Progress = SILENT,
    kept: Kept | None = None,
) -> Iterator[Pruned]:
    """Prune every block's linears to each of `levels`, in one pass where memory allows; the victim
    is left as it is.

    `texts` (and `pairs`) are the calibration set; labels are not used. `kept` spares a later call
    with the same victim, texts and plan what is measured once. The levels come in the order given
    and equal those of passes apart. Raises SettingError for a sparsity outside [0, 1) or out of the
    pattern's reach, an empty or too small calibration set; ModelError for weights that are not
    finite; NumericalError when a layer's statistics stay singular.
    """
    plan = plan if isinstance(plan, Plan) else Plan.named(plan)
    for level in levels:
        plan.pattern.check_level(level)
    shares = check_plan(victim, plan)
    if plan.method.calibrated and any(levels):
        return _Work(victim, texts, pairs, plan, shares, report, kept or Kept()).run(levels)
    return (_without_text(victim, plan, shares, level) for level in levels)


def check_plan(victim: Victim, plan: Plan) -> Shares:
    """The shares of a victim's layers. Raises SettingError where the plan does not fit it,
    ModelError for NaN or Inf.
    """
    weights = victim.prunable()
    for layer, weight in weights.items():
        plan.pattern.check_width(layer, weight.shape[1])
        if not bool(torch.isfinite(weight).all()):
            raise ModelError(
                f"Layer {layer} of {victim.name} contains NaN or Inf; load an undamaged checkpoint."
            )
    sizes = tuple(weight.numel() for weight in weights.values())
    return Shares(tuple(weights), sizes, plan.pattern, parse_layers(plan.layers))


def check_tokens(victim: Victim, plan: Plan, tokens: int, texts: int) -> tuple[str, ...]:
    """Too few tokens for the widest layer: a notice below ENOUGH for each input. Raises
    SettingError below one, unless forced.
    """
    if not plan.method.factored:
        return ()  # norms of inputs need few tokens
    layer, weight = max(victim.prunable().items(), key=lambda item: item[1].shape[1])
    ratio = tokens / weight.shape[1]
    said = (
        f"{tokens} calibration tokens are {ratio:.2f} for each of the {weight.shape[1]} inputs "
        f"of layer {layer}"
    )
    if ratio < 1 and not plan.force:
        raise SettingError(
            f"{said}; below one the statistics are singular: give more calibration text, about "
            f"{math.ceil(texts / max(ratio, 1e-9))} texts like these {texts} or more, or --force "
            "it."
        )
    return (f"{said}; below about {ENOUGH:g} the statistics are noisy.",) if ratio < ENOUGH else ()


@torch.no_grad()
def _without_text(victim: Victim, plan: Plan, shares: Shares, sparsity: float) -> Pruned:
    """A level that needs no calibration text: nothing pruned, or the smallest magnitudes."""
    made = victim.copy()
    made.name = level_name(victim.name, sparsity)
    reports, asked = [], shares.at(sparsity)
    for layer, weight in made.prunable().items():
        if share := asked[layer]:
            weight.copy_(by_magnitude(weight, plan.pattern, share))
        reports.append(layer_report(layer, weight, share, 0, None, 0.0))
    return Pruned(made, sparsity, tuple(reports), _own_zeros(victim, made, plan, reports, sparsity))


def _own_zeros(
    victim: Victim, made: Victim, plan: Plan, reports: Sequence[LayerReport], sparsity: float
) -> tuple[str, ...]:
    """What a level made of the zeros that the model was given with: notices where it has more than
    asked for, or gave some up.
    """
    before, after = victim.prunable(), made.prunable()
    total, own, refilled, excess = 0, 0, 0, 0
    for one in reports:
        rows, width = before[one.layer].shape
        zeros = before[one.layer] == 0
        total += one.weights
        own += int(zeros.sum())
        refilled += int((after[one.layer][zeros] != 0).sum())
        excess += one.zeros - plan.pattern.zeros(rows, width, one.requested) if one.requested else 0
    had, has = 100 * own / total, 100 * sum(one.zeros for one in reports) / total
    notices = []
    if own and excess >= NOTICED * total:
        notices.append(
            f"The model has {had:.1f} % zeros as it was given. Layers with more than their share "
            "keep them, so this "
            f"level has {has:.1f} % where {100 * sparsity:g} % were asked for."
        )
    if refilled >= NOTICED * total:
        notices.append(
            f"Of the zeros that the model was given with, {100 * refilled / own:.1f} % hold "
            "weights again, as other "
            f"weights were removed: it had {had:.1f} % zeros, this level has {has:.1f} %."
        )
    return tuple(notices)


class _Work:
    """The calibration text on its way through the models, and what is measured once for all levels."""

    def __init__(
        self,
        victim: Victim,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        plan: Plan,
        shares: Shares,
        report: Progress,
        kept: Kept,
    ) -> None:
        if not texts:
            raise SettingError(
                f"The method {plan.method.name!r} needs calibration text; give at least a few "
                "hundred sentences."
            )
        self.victim, self.plan, self.shares, self.report, self.kept = (
            victim,
            plan,
            shares,
            report,
            kept,
        )
        self.blocks = victim.family.blocks(victim.model)
        self.encoded = victim.encode(texts, pairs)
        self.tokens = sum(len(ids) for ids in self.encoded["input_ids"])
        self.notices = list(check_tokens(victim, plan, self.tokens, len(texts)))
        if kept.importance is None and (plan.method.importance or plan.allocation != "uniform"):
            kept.importance = shrinking(
                lambda tokens: measure_importance(
                    victim, texts, pairs, report, stream_tokens=tokens
                ),
                sample_stream(victim.device),
                self.notices,
            )
        self.stream = STREAM
        self.done, self.shown, self.total = 0, 0, 1  # groups of linears times levels

    def _say(self, stage: str) -> None:
        """Tell how far the whole call is; never less than before, though a pass that ran out of
        memory begins again.
        """
        self.shown = max(self.shown, self.done)
        self.report(stage, self.shown, self.total)

    def run(self, levels: Sequence[float]) -> Iterator[Pruned]:
        """The levels in order, as many at once as memory allows, fewer after it ran out."""
        uneven = self.plan.allocation != "uniform"
        self.total = (
            len(self.blocks)
            * len(GROUPS)
            * (sum(map(bool, levels)) + (uneven and self.kept.losses is None))
        )
        if uneven:
            if self.kept.losses is None:
                self.kept.losses = shrinking(self._losses, self.stream, self.notices)
            self.shares = replace(self.shares, losses=self.kept.losses)
        waiting, most = list(levels), len(levels)
        while waiting:
            if waiting[0] == 0:
                yield _without_text(self.victim, self.plan, self.shares, waiting.pop(0))
                continue
            most = min(most, levels_at_once(self.victim, self.tokens))
            together, before = list(itertools.takewhile(bool, waiting))[:most], self.done
            try:
                made = self._together(together)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                most, self.done = self._make_room(len(together), error), before
                continue
            for level in made:
                waiting.pop(0)
                yield self._finished(level)

    def _make_room(self, levels: int, error: Exception) -> int:
        """How many levels to try next; halves the streams once it is down to one. Raises where that
        helped nothing.
        """
        if self.victim.device.type == "cuda":
            torch.cuda.empty_cache()
        if levels > 1:
            self.notices.append(
                f"Memory ran out with {levels} levels at once; {levels // 2} are tried."
            )
            return levels // 2
        self.stream = halved(self.stream, self.notices, error)
        return 1

    # not inference_mode: the pruned weights must stay ordinary tensors, fit for training
    @torch.no_grad()
    def _together(self, levels: Sequence[float]) -> list[Level]:
        """The levels in one pass over the calibration text."""
        made = [Level(level, self.shares.at(level), copy.deepcopy(self.blocks)) for level in levels]
        passes = self._passes(len(levels) if self.plan.method.inputs == "sparse" else 0)
        for index, block in enumerate(self.blocks):
            for group in range(len(GROUPS)):
                self._prune_group(index, group, block, made, passes)
        if self.plan.method.heads:
            for place, level in enumerate(made):
                level.cls = (
                    _first([(one.dense, one) for one in passes]),
                    _first([(one.sparse[place], one) for one in passes]),
                )
        self._say("pruned")
        return made

    def _passes(self, levels: int) -> list[Pass]:
        """The calibration text as streams, every fifth sentence apart."""
        found = []
        for judging in (False, True):
            rows = [
                row for row in range(len(self.encoded["input_ids"])) if (row % 5 == 4) is judging
            ]
            part = {name: [lists[row] for row in rows] for name, lists in self.encoded.items()}
            for stream in streams(part, self.victim.pad_id, self.victim.device, self.stream):
                hidden = embed(self.victim.family, self.victim.model, stream)
                # embeddings are not pruned, so all begin alike
                found.append(
                    Pass(stream, judging, Walk(hidden), [Walk(hidden) for _ in range(levels)])
                )
        return found

    def _prune_group(
        self, index: int, group: int, block: Block, levels: Sequence[Level], passes: Sequence[Pass]
    ) -> None:
        """Solve a group at every level, then take every walk through it."""
        names, method = GROUPS[group], self.plan.method
        layers, weight, token_weights = self._group(index, group, block, passes)
        same = all(one.together for one in passes)
        moved = method.target != "none" and not same
        wanted = [wanted_of(method, weight, one.dense) if moved else None for one in passes]
        known = factor = None
        for place, level in enumerate(levels):
            stage = f"block {index + 1}: {' '.join(names)}" + (
                f", level {place + 1}" if len(levels) > 1 else ""
            )

            def tick(stage: str = stage) -> None:
                self._say(stage)

            self.done += 1
            if not any(level.shares[layer] for layer in layers):
                level.reports += [
                    layer_report(layer, block.linears[name].weight, 0.0, 0, None, 0.0)
                    for layer, name in zip(layers, names, strict=True)
                ]
                continue
            if known is None or factor is None or not same:  # alike for all levels until they part
                known = gather(weight, passes, wanted, place, method, token_weights, tick)
                factor = damped(known.gram, method)
                if method.greedy and factor.coarse:
                    known = gather(
                        weight, passes, wanted, place, method, token_weights, tick, double=True
                    )
                    factor = damped(known.gram, method)
            solve_group(
                index, names, block, level, known, factor, self.plan, self.kept.importance, tick
            )
        del wanted
        self._step(
            index, group, block, passes, levels if self.plan.method.inputs == "sparse" else []
        )

    def _group(
        self, index: int, group: int, block: Block, passes: Sequence[Pass]
    ) -> tuple[list[str], Tensor, list[Tensor | None]]:
        """A group's layers, their weights stacked, and the weight of every token of every pass."""
        layers = [f"{index}.{name}" for name in GROUPS[group]]
        weight = torch.cat([block.linears[name].weight for name in GROUPS[group]])
        counted = self.kept.importance if self.plan.method.importance else None
        return (
            layers,
            weight,
            [
                counted.of_tokens(layers, one.stream, weight.device) if counted else None
                for one in passes
            ],
        )

    @torch.no_grad()
    def _losses(self, stream: int) -> dict[str, list[float]]:
        """What every layer would cost if it alone were pruned, from the dense model's inputs; see
        `Shares`.
        """
        importance = self.kept.importance
        if importance is None:
            raise RuntimeError("losses of layers are compared by their importance")
        self.stream, self.done = stream, 0
        passes = self._passes(0)
        losses: dict[str, list[float]] = {}
        for index, block in enumerate(self.blocks):
            for group in range(len(GROUPS)):
                say = partial(self._say, f"block {index + 1}: losses")
                say()
                self.done += 1
                layers, weight, token_weights = self._group(index, group, block, passes)
                known = gather(
                    weight, passes, [None] * len(passes), 0, self.plan.method, token_weights, say
                )
                factor = factorise(known.gram.hessian(), self.plan.method.damping)
                weights = [block.linears[name].weight for name in GROUPS[group]]
                curves = loss_curves(
                    weights, factor, [importance.outputs[layer] for layer in layers], say
                )
                for layer, curve in zip(layers, curves, strict=True):
                    losses[layer] = [importance.scale[layer] * loss for loss in curve]
                self._step(index, group, block, passes, [])
        return losses

    def _step(
        self, index: int, group: int, block: Block, passes: Sequence[Pass], levels: Sequence[Level]
    ) -> None:
        """Take every walk through a group."""
        with precise(self.plan.precision, self.victim.device):
            for one in passes:
                self._say(f"block {index + 1}: forward")
                if (
                    self.plan.method.looks_at_dense or not one.sparse
                ):  # losses are measured on the dense model alone
                    one.dense.step(group, block, one.stream.lengths)
                for walk, level in zip(one.sparse, levels, strict=True):
                    walk.step(group, level.blocks[index], one.stream.lengths)

    @torch.no_grad()
    def _finished(self, level: Level) -> Pruned:
        """A victim of its own with the level's weights."""
        made = self.victim.copy()
        made.name = level_name(self.victim.name, level.sparsity)
        for mine, theirs in zip(level.blocks, made.family.blocks(made.model), strict=True):
            for name, linear in theirs.linears.items():
                linear.weight, linear.bias = mine.linears[name].weight, mine.linears[name].bias
        if level.cls is not None:
            resolve_heads(self.victim, made, *level.cls)
        own = _own_zeros(self.victim, made, self.plan, level.reports, level.sparsity)
        return Pruned(
            made, level.sparsity, tuple(level.reports), (*self.notices, *own), level.seconds
        )


def _first(walks: Sequence[tuple[Walk, Pass]]) -> Tensor:
    """The [CLS] embeddings of all sentences, (sentences, width), where walks have come to their
    end.
    """
    return torch.cat(
        [
            walk.x[
                torch.tensor(
                    [0, *itertools.accumulate(one.stream.lengths)][:-1], device=walk.x.device
                )
            ].float()
            for walk, one in walks
        ]
    )

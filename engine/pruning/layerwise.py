"""One group of linears at one level: gather its statistics, re-target, solve, refit."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.engine.errors import NumericalError
from prunescope.engine.models.families import Block
from prunescope.engine.pruning.activations import Pass, Walk
from prunescope.engine.pruning.importance import Importance
from prunescope.engine.pruning.methods import P1_RIDGE, Method
from prunescope.engine.pruning.patterns import has_zeros
from prunescope.engine.pruning.plan import LayerReport, Plan
from prunescope.engine.pruning.solvers import Problem, refit, refit_exactly, solver_named
from prunescope.engine.pruning.statistics import Gram, in_double
from prunescope.engine.pruning.targets import Factor, factorise, p1_target, retarget


@dataclass(slots=True)
class Level:
    """One level in the making."""

    sparsity: float
    shares: dict[str, float]  # by layer
    blocks: list[Block]
    reports: list[LayerReport] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    cls: tuple[Tensor, Tensor] | None = (
        None  # last [CLS] of the calibration sentences, dense and sparse, for the heads
    )


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known about the inputs of a group: the tokens that fit the correction and those that
    judge it.
    """

    weight: Tensor  # (d_out of all, d_in), dense, the group's linears stacked
    gram: Gram  # over all tokens
    fitting: Gram | None  # None where no strength is to be chosen
    judge: Gram | None


def gather(
    weight: Tensor,
    passes: Sequence[Pass],
    wanted: Sequence[Tensor | None],
    level: int,
    method: Method,
    token_weights: Sequence[Tensor | None],
    tick: Callable[[], None],
    double: bool = False,
) -> Statistics:
    """Statistics of a group at a level; `wanted` is W X_d + R_d or X_d of every pass, None where
    nothing drifted.

    With `double` all of it is summed in float64, whatever the forward pass was made in.
    """
    wide = in_double if double else Tensor.float
    weight = wide(weight)
    chosen = (
        method.target == "adaptive"
        and method.alpha is None
        and any(part is not None for part in wanted)
    )
    residual = method.residual and any(one.inputs(level).residual is not None for one in passes)
    sums = {
        part: Gram(weight, method.centre, residual)
        for part in ((False, True) if chosen else (False,))
    }
    for one, goal, share in zip(passes, wanted, token_weights, strict=True):
        tick()
        walk = one.inputs(level)
        gram = sums[one.judging and chosen]
        if goal is not None and method.residual and walk.residual is not None:
            goal = wide(goal) - wide(walk.residual)
        gram.add(
            wide(walk.x),
            None if goal is None else wide(goal),
            None if share is None else wide(share),
        )
    if not chosen:
        return Statistics(weight, sums[False], None, None)
    return Statistics(weight, sums[False] + sums[True], sums[False], sums[True])


def wanted_of(method: Method, weight: Tensor, walk: Walk) -> Tensor:
    """What the dense model says about a group, see `Gram.add`; the sparse residual is still to be
    taken off.
    """
    residual = walk.residual if method.residual else None
    if residual is None and weight.shape[0] > weight.shape[1]:
        return walk.x.float()
    out = functional.linear(walk.x.float(), weight)
    return out if residual is None else out + residual.float()


def solve_group(
    index: int,
    names: Sequence[str],
    old: Block,
    level: Level,
    known: Statistics,
    factor: Factor,
    plan: Plan,
    importance: Importance | None,
    tick: Callable[[], None],
) -> None:
    """Replace the weights of a group's linears at a level, each with its own exact share of zeros.

    A linear that was given with as many zeros keeps them, and those alone: no weight comes back,
    and a refit improves the others.
    """
    start = time.perf_counter()
    method, gram = plan.method, known.gram
    target, alpha = _target(known, factor, method)
    power, mean, drifted = gram.power(), gram.mean(), gram.mean_drift()
    row = 0
    for name in names:
        layer, rows = f"{index}.{name}", old.linears[name].out_features
        share, mine = level.shares[layer], slice(row, row + rows)
        row += rows
        linear = level.blocks[index].linears[name]
        if share:
            metric = importance.outputs[layer] if importance and method.importance else None
            metric = metric and metric.like(target)
            problem = Problem(target[mine], factor, power, share, plan.pattern, metric, tick)
            sparse = has_zeros(old.linears[name].weight, plan.pattern, share)
            solved = known.weight[mine].clone() if sparse else solver_named(method.solver)(problem)
            solved = _refitted(solved, problem, method)
            if not bool(torch.isfinite(solved).all()):
                raise NumericalError(
                    f"Layer {layer}: the solver gave NaN or Inf; use more calibration text or more "
                    "damping."
                )
            linear.weight = nn.Parameter(
                solved.to(linear.weight), requires_grad=linear.weight.requires_grad
            )
            if method.centre:
                repaired = (
                    old.linears[name].bias.to(solved)
                    + (known.weight[mine] - solved) @ mean
                    + drifted[mine]
                )
                linear.bias = nn.Parameter(
                    repaired.to(linear.bias), requires_grad=linear.bias.requires_grad
                )
        level.reports.append(
            layer_report(layer, linear.weight, share, gram.tokens, factor, alpha if share else 0.0)
        )
        level.seconds[layer] = time.perf_counter() - start
        start = time.perf_counter()


def layer_report(
    layer: str, weight: Tensor, share: float, tokens: int, factor: Factor | None, alpha: float
) -> LayerReport:
    """The report of one linear as it stands now."""
    damping, raised = (factor.damping, factor.raised) if factor else (0.0, False)
    zeros = int((weight == 0).sum())
    return LayerReport(
        layer,
        weight.numel(),
        zeros,
        share,
        tokens,
        weight.shape[1],
        damping,
        raised,
        round(alpha, 6),
    )


def damped(gram: Gram, method: Method) -> Factor:
    """The factor of a group's statistics, with the damping of the method; no more than H where that
    is all it needs.
    """
    if not method.factored:
        return Factor(gram.hessian(), gram.weight.new_empty(0, 0), 0.0)
    if method.target == "p1":
        return factorise(gram.hessian(), P1_RIDGE / gram.mass, absolute=True)
    return factorise(gram.hessian(), method.damping)


def _target(known: Statistics, factor: Factor, method: Method) -> tuple[Tensor, float]:
    """(target weights (d_out, d_in), strength of the correction)."""
    drift = known.gram.drift() if method.target != "none" else None
    if method.target == "p1":
        return p1_target(known.weight, drift, factor), 1.0
    alpha = _strength(known, method) if method.alpha is None else method.alpha
    return retarget(known.weight, drift, factor, alpha), alpha if drift is not None else 0.0


def _strength(known: Statistics, method: Method) -> float:
    """α in [0, 1] that the judging tokens like best, in closed form.

    With the correction Δ = C(H + Λ)⁻¹ fitted on the other tokens, ‖D − α Δ X_s‖² is smallest on the
    judging tokens at α = ⟨C', Δ⟩ / ⟨Δ H', Δ⟩, where C', H' are theirs. Too few tokens give a Δ that
    fits noise, and α says so.
    """
    if (
        known.fitting is None
        or known.judge is None
        or not (known.fitting.tokens and known.judge.tokens)
    ):
        return 0.0
    drift, judged = known.fitting.drift(), known.judge.drift()
    if drift is None or judged is None:
        return 0.0
    change = factorise(known.fitting.hessian(), method.damping).solve(drift)
    size = float(((change @ known.judge.hessian()) * change).sum())
    return min(1.0, max(0.0, float((judged * change).sum()) / size)) if size > 0 else 0.0


def _refitted(solved: Tensor, problem: Problem, method: Method) -> Tensor:
    hessian = problem.factor.hessian
    if method.refit == "cg":
        return refit(solved, problem.target, hessian, method.steps, problem.metric)
    if method.refit in ("exact", "cholesky"):
        return refit_exactly(solved, problem.target, hessian, problem.metric, problem.tick)
    return solved

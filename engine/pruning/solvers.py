"""Turn target weights into sparse weights: which to remove, and what the remaining ones become.

Every solver takes a `Problem` and removes exactly as many weights as its pattern says. A solver
knows nothing of where the target came from; `refits` improves the remaining weights of any.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning.allocation import GRID
from prunescope.engine.pruning.importance import OutputMetric
from prunescope.engine.pruning.joint import GROUPED, RELAXED, Alternation, choose_jointly
from prunescope.engine.pruning.obc import remove_one_by_one
from prunescope.engine.pruning.patterns import NofM, Pattern
from prunescope.engine.pruning.sparsegpt import sweep, sweep_many
from prunescope.engine.pruning.targets import Factor


@dataclass(frozen=True, slots=True)
class Problem:
    """One linear at one sparsity."""

    target: Tensor  # W*, (d_out, d_in)
    factor: Factor  # of H + Λ
    power: Tensor  # diag H without damping, (d_in,)
    sparsity: float
    pattern: Pattern
    # of errors at the outputs; None: outputs count alike and separately
    metric: OutputMetric | None = None
    # called a few times a second; a caller cancels by raising from it
    tick: Callable[[], None] = lambda: None

    @property
    def importance(self) -> Tensor | None:
        """How much each output matters, (d_out,), for solvers that take rows apart."""
        return None if self.metric is None else self.metric.diagonal


def prune_by_magnitude(target: Tensor, pattern: Pattern, sparsity: float) -> Tensor:
    """Remove the weights of smallest magnitude, leave the others."""
    return target.masked_fill(pattern.removed(target.abs(), sparsity), 0.0)


def _magnitude(problem: Problem) -> Tensor:
    return prune_by_magnitude(problem.target, problem.pattern, problem.sparsity)


def _wanda(problem: Problem) -> Tensor:
    """Remove the smallest |w_ij| ‖x_j‖, leave the others. Source: Sun et al., ICLR 2024."""
    scores = problem.target.abs() * problem.power.sqrt()
    return problem.target.masked_fill(problem.pattern.removed(scores, problem.sparsity), 0.0)


def _sparsegpt(problem: Problem) -> Tensor:
    return sweep(
        problem.target, problem.factor.upper, problem.pattern, problem.sparsity, problem.importance
    )


def _obc(problem: Problem) -> Tensor:
    width = problem.target.shape[1]
    group = (problem.pattern.n, problem.pattern.m) if isinstance(problem.pattern, NofM) else None
    per_row = problem.pattern.row_zeros(width, problem.sparsity)
    factor, target = problem.factor, problem.target
    if factor.coarse:  # single precision would leave the downdates of the inverse too few digits
        factor = factor.wide
    weights = target.to(factor.upper)
    pruned = remove_one_by_one(weights, factor.inverse, per_row, group, problem.tick)
    return pruned.to(target)


def _joint(problem: Problem) -> Tensor:
    return _alternated(problem, RELAXED)


def _joint_grouped(problem: Problem) -> Tensor:
    return _alternated(problem, GROUPED)


def _alternated(problem: Problem, alternation: Alternation) -> Tensor:
    """The joint choice, see `prunescope.engine.pruning.joint`."""
    return choose_jointly(
        problem.target,
        problem.factor,
        problem.metric,
        problem.pattern,
        problem.sparsity,
        alternation,
        problem.tick,
    )


SOLVERS: dict[str, Callable[[Problem], Tensor]] = {
    "joint": _joint,
    "joint-grouped": _joint_grouped,
    "sparsegpt": _sparsegpt,
    "obc": _obc,
    "wanda": _wanda,
    "magnitude": _magnitude,
}


def solver_named(name: str) -> Callable[[Problem], Tensor]:
    """The solver of that name. Raises SettingError with the names there are."""
    if name not in SOLVERS:
        raise SettingError(f"The solver {name!r} is unknown; choose one of {', '.join(SOLVERS)}.")
    return SOLVERS[name]


def loss_curves(
    weights: Sequence[Tensor],
    factor: Factor,
    metrics: Sequence[OutputMetric],
    tick: Callable[[], None] = lambda: None,
) -> list[list[float]]:
    """tr(M (W − Ŵ)(H + Λ)(W − Ŵ)ᵀ) of linears (d_out, d_in) that share their inputs, pruned to each
    sparsity of the allocation's grid.
    """
    cases = [
        (weight, metric, sparsity)
        for weight, metric in zip(weights, metrics, strict=True)
        for sparsity in GRID
    ]
    # On the CPU one case at a time, because a core's cache holds no more
    at_once = 1 if factor.upper.device.type == "cpu" else len(cases)
    results: list[Tensor] = []
    for start in range(0, len(cases), at_once):
        tick()
        part = cases[start : start + at_once]
        swept = sweep_many(
            [weight for weight, _, _ in part],
            factor.upper,
            [sparsity for _, _, sparsity in part],
            [metric.diagonal for _, metric, _ in part],
        )
        for (weight, metric, _), sparse in zip(part, swept, strict=True):
            gap = weight - sparse
            results.append((metric(gap) * (gap @ factor.hessian)).sum())
    losses: list[float] = torch.stack(results).tolist()
    return [losses[start : start + len(GRID)] for start in range(0, len(losses), len(GRID))]

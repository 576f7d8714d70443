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
from prunescope.engine.pruning.importance import BASE, OutputMetric
from prunescope.engine.pruning.obc import remove_one_by_one
from prunescope.engine.pruning.patterns import NofM, Pattern
from prunescope.engine.pruning.sparsegpt import sweep, sweep_many
from prunescope.engine.pruning.targets import Factor

# the least penalty of the joint solver in units of the scaled diagonal; the others are steps of
# BASE above it
LEAST = 0.05
PENALTIES = range(4)
ROUNDS = 4  # alternations at each penalty


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
    """Alternate between the damped least squares and the pattern (ADMM), with a growing penalty ρ.

    In inputs and outputs scaled to unit diagonals, H̃ = D^-½ (H + Λ) D^-½, M̃ = S^-½ M S^-½ = Q Γ
    Qᵀ and T = S^½ W* D^½:

        V ← argmin tr(M̃ (T − V) H̃ (T − V)ᵀ) + ρ ‖V − A‖²,  A = Z − Y;   Z ← the pattern's choice
          from V + Y;   Y ← Y + V − Z.

    Row k of Qᵀ V is that of Qᵀ A moved toward that of Qᵀ T by H̃ (H̃ + ρ/γ_k I)⁻¹: what reaches
    further is fitted more closely. The γ are taken in steps, so that few inverses do. Unlike a
    sweep over columns, every weight is reconsidered in each round, so the support is that of a
    joint decision. Source of the alternation: ALPS, Meng et al., NeurIPS 2024.
    """
    outputs = None if problem.metric is None else problem.metric.diagonal.sqrt()[:, None]
    scale = problem.factor.scale if outputs is None else problem.factor.scale * outputs
    aim = problem.target * scale
    sparse, dual = aim, torch.zeros_like(aim)
    removed = torch.zeros_like(aim, dtype=torch.bool)
    for step in PENALTIES:
        for _ in range(ROUNDS):
            problem.tick()
            anchor = sparse - dual
            free = anchor + _toward(aim - anchor, problem.factor, problem.metric, step) + dual
            removed = problem.pattern.removed(free.square(), problem.sparsity)
            sparse = free.masked_fill(removed, 0.0)
            dual = free - sparse
        dual = dual / BASE  # the multiplier ρY stays what it was
    return (sparse / scale).masked_fill_(removed, 0.0)


def _toward(gap: Tensor, factor: Factor, metric: OutputMetric | None, step: int) -> Tensor:
    """What the least squares close of a gap (d_out, d_in) at a penalty, see `_joint`."""
    if metric is None or metric.axes is None:
        return gap @ factor.filter(LEAST * BASE**step)
    _, vectors = metric.axes
    rotated = vectors.T @ gap
    for power, rows in metric.axis_groups:
        rotated[rows] = rotated[rows] @ factor.filter(LEAST * BASE ** (step - power))
    return vectors @ rotated


SOLVERS: dict[str, Callable[[Problem], Tensor]] = {
    "joint": _joint,
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

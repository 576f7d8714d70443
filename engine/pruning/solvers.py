"""Turn target weights into sparse weights: which to remove, and what the others become.

Every solver takes a `Problem` and removes exactly as many weights as its pattern says. A solver says nothing about where
the target came from; `refit` improves the survivors of any of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import SettingError
from engine.pruning.blocked import blocked
from engine.pruning.exact import exact
from engine.pruning.patterns import NofM, Pattern
from engine.pruning.targets import Factor

RATIOS = (0.05, 0.15, 0.5, 1.5)  # penalties of the alternating solver, in units of the scaled diagonal
ROUNDS = 4  # alternations at each penalty


@dataclass(frozen=True, slots=True)
class Problem:
    """One linear at one sparsity."""

    target: Tensor  # W*, (d_out, d_in)
    factor: Factor  # of H + Λ
    power: Tensor  # diag H without damping, (d_in,)
    sparsity: float
    pattern: Pattern
    importance: Tensor | None = None  # (d_out,), how much each output matters; None: all alike
    tick: Callable[[], None] = lambda: None  # called now and then; a caller cancels by raising from it


def by_magnitude(target: Tensor, pattern: Pattern, sparsity: float) -> Tensor:
    """Remove the weights of smallest magnitude, leave the others."""
    return target.masked_fill(pattern.removed(target.abs(), sparsity), 0.0)


def _magnitude(problem: Problem) -> Tensor:
    return by_magnitude(problem.target, problem.pattern, problem.sparsity)


def _wanda(problem: Problem) -> Tensor:
    """Remove the smallest |w_ij| ‖x_j‖, leave the others. Source: Sun et al., ICLR 2024."""
    scores = problem.target.abs() * problem.power.sqrt()
    return problem.target.masked_fill(problem.pattern.removed(scores, problem.sparsity), 0.0)


def _blocked(problem: Problem) -> Tensor:
    return blocked(problem.target, problem.factor.upper, problem.pattern, problem.sparsity, problem.importance)


def _exact(problem: Problem) -> Tensor:
    width = problem.target.shape[1]
    group = (problem.pattern.n, problem.pattern.m) if isinstance(problem.pattern, NofM) else None
    per_row = problem.pattern.row_zeros(width, problem.sparsity)
    return exact(problem.target, problem.factor.inverse, per_row, group, problem.tick)


def _alternating(problem: Problem) -> Tensor:
    """Alternate between the damped least squares and the pattern (ADMM), with a growing penalty ρ.

    In inputs scaled to unit diagonal, H̃ = D^-½ (H + Λ) D^-½ and T = W* D^½:

        V ← (T H̃ + ρ (Z − Y)) (H̃ + ρI)⁻¹,   Z ← the pattern's choice from V + Y,   Y ← Y + V − Z.

    The choice weighs a row by the square root of its importance. Unlike a sweep over columns, every weight is reconsidered
    in each round, so the support is that of a joint decision. Source of the idea: ALPS, Meng et al., NeurIPS 2024.
    """
    scale = problem.factor.scale
    aim = problem.target * scale
    pull = aim @ problem.factor.scaled
    sparse, dual = aim, torch.zeros_like(aim)
    row = None if problem.importance is None else problem.importance.sqrt()[:, None]
    removed = torch.zeros_like(aim, dtype=torch.bool)
    for place, ratio in enumerate(RATIOS):
        inverse = problem.factor.ridged(ratio)
        for _ in range(ROUNDS):
            problem.tick()
            free = (pull + ratio * (sparse - dual)) @ inverse + dual
            removed = problem.pattern.removed(free.square() if row is None else free.square() * row, problem.sparsity)
            sparse = free.masked_fill(removed, 0.0)
            dual = free - sparse
        if place + 1 < len(RATIOS):
            dual = dual * (ratio / RATIOS[place + 1])  # the multiplier ρY stays what it was
    return (sparse / scale).masked_fill_(removed, 0.0)


SOLVERS: dict[str, Callable[[Problem], Tensor]] = {
    "alternating": _alternating,
    "blocked": _blocked,
    "exact": _exact,
    "wanda": _wanda,
    "magnitude": _magnitude,
}


def solver_named(name: str) -> Callable[[Problem], Tensor]:
    """The solver of that name. Raises SettingError with the names there are."""
    if name not in SOLVERS:
        raise SettingError(f"The solver {name!r} is unknown; choose one of {', '.join(SOLVERS)}.")
    return SOLVERS[name]


def refit(weights: Tensor, target: Tensor, hessian: Tensor, steps: int) -> Tensor:
    """Improve the survivors for their mask: conjugate gradients on ‖(W* − Ŵ)(H + Λ)^½‖² over the support, row by row.

    Preconditioned by the diagonal; `steps` products with H. The loss never rises from one step to the next.
    """
    support = weights != 0
    scale = 1.0 / hessian.diagonal()
    residual = ((target - weights) @ hessian) * support
    towards = residual * scale
    size = (residual * towards).sum(dim=1, keepdim=True)
    for _ in range(steps):
        ahead = (towards @ hessian) * support
        step = size / (towards * ahead).sum(dim=1, keepdim=True).clamp_min(1e-30)
        weights = weights + step * towards
        residual = residual - step * ahead
        turned = residual * scale
        size_after = (residual * turned).sum(dim=1, keepdim=True)
        towards = turned + size_after / size.clamp_min(1e-30) * towards
        size = size_after
    return torch.where(support, weights, 0.0)


def refit_exactly(weights: Tensor, target: Tensor, hessian: Tensor, room: int = 1 << 26) -> Tensor:
    """The best survivors for their mask: per row, (H + Λ)_SS ŵ_S = ((H + Λ) w*)_S by Cholesky, in chunks of rows.

    `room` bounds a chunk's numbers. Removed inputs stand in the system as an identity, so all rows have one shape.
    """
    support = weights != 0
    right = (target @ hessian) * support
    width = weights.shape[1]
    solved = torch.empty_like(weights)
    for start in range(0, len(weights), max(1, room // width**2)):
        part = slice(start, start + max(1, room // width**2))
        alive = support[part].to(weights.dtype)
        system = hessian * alive[:, :, None] * alive[:, None, :] + torch.diag_embed(1 - alive)  # (rows, d_in, d_in)
        lower = torch.linalg.cholesky(system)
        solved[part] = torch.cholesky_solve(right[part, :, None], lower).squeeze(2)
    return torch.where(support, solved, 0.0)

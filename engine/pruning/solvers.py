"""Turn target weights into sparse weights: which to remove, and what the others become.

Every solver takes a `Problem` and removes exactly as many weights as its pattern says. A solver
says nothing about where the target came from; `refit` improves the survivors of any of them.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prunescope.engine.errors import NumericalError, SettingError
from prunescope.engine.pruning.allocation import GRID
from prunescope.engine.pruning.importance import BASE, Metric
from prunescope.engine.pruning.obc import exact
from prunescope.engine.pruning.patterns import NofM, Pattern
from prunescope.engine.pruning.sparsegpt import blocked, blocked_apart
from prunescope.engine.pruning.statistics import in_double
from prunescope.engine.pruning.targets import Factor

# the least penalty of the joint solver in units of the scaled diagonal; the others are steps of
# BASE above it
LEAST = 0.05
PENALTIES = range(4)
ROUNDS = 4  # alternations at each penalty
PRECISE, WINDOW, MOST = (
    1e-9,
    10,
    5000,
)  # when an exact refit under a metric has come to its end, see `refit_exactly`
TINY = 1e-12  # share of the loss before a refit that counts as none


@dataclass(frozen=True, slots=True)
class Problem:
    """One linear at one sparsity."""

    target: Tensor  # W*, (d_out, d_in)
    factor: Factor  # of H + Λ
    power: Tensor  # diag H without damping, (d_in,)
    sparsity: float
    pattern: Pattern
    metric: Metric | None = None  # of errors at the outputs; None: outputs count alike, and apart
    tick: Callable[[], None] = lambda: (
        None
    )  # called now and then; a caller cancels by raising from it

    @property
    def importance(self) -> Tensor | None:
        """How much each output matters, (d_out,), for solvers that take rows apart."""
        return None if self.metric is None else self.metric.diagonal


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
    return blocked(
        problem.target, problem.factor.upper, problem.pattern, problem.sparsity, problem.importance
    )


def _exact(problem: Problem) -> Tensor:
    width = problem.target.shape[1]
    group = (problem.pattern.n, problem.pattern.m) if isinstance(problem.pattern, NofM) else None
    per_row = problem.pattern.row_zeros(width, problem.sparsity)
    factor, target = problem.factor, problem.target
    if factor.coarse:  # single precision would leave the downdates of the inverse too few digits
        factor = factor.wide
    return exact(target.to(factor.upper), factor.inverse, per_row, group, problem.tick).to(target)


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


def _toward(gap: Tensor, factor: Factor, metric: Metric | None, step: int) -> Tensor:
    """What the least squares close of a gap (d_out, d_in) at a penalty, see `_joint`."""
    if metric is None or metric.axes is None:
        return gap @ factor.filter(LEAST * BASE**step)
    _, vectors = metric.axes
    rotated = vectors.T @ gap
    for reach, rows in metric.reaches:
        rotated[rows] = rotated[rows] @ factor.filter(LEAST * BASE ** (step - reach))
    return vectors @ rotated


SOLVERS: dict[str, Callable[[Problem], Tensor]] = {
    "joint": _joint,
    "sparsegpt": _blocked,
    "obc": _exact,
    "wanda": _wanda,
    "magnitude": _magnitude,
}


def solver_named(name: str) -> Callable[[Problem], Tensor]:
    """The solver of that name. Raises SettingError with the names there are."""
    if name not in SOLVERS:
        raise SettingError(f"The solver {name!r} is unknown; choose one of {', '.join(SOLVERS)}.")
    return SOLVERS[name]


def refit(
    weights: Tensor, target: Tensor, hessian: Tensor, steps: int, metric: Metric | None = None
) -> Tensor:
    """Improve the survivors for their mask: conjugate gradients on tr(M (W* − Ŵ)(H + Λ)(W* − Ŵ)ᵀ)
    over the support.

    Where outputs count apart every row is a problem of its own. Preconditioned by the diagonals;
    `steps` products with H, and with M. The loss never rises from one step to the next.
    """
    support, descent = weights != 0, _descent(weights, target, hessian, metric)
    for _ in range(steps):
        weights, _ = next(descent)
    return torch.where(support, weights, 0.0)


def _descent(
    weights: Tensor,
    target: Tensor,
    hessian: Tensor,
    metric: Metric | None,
    precondition: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The weights after each step of `refit`, and by how much the step lowered the loss, by row
    where rows are apart.

    What stands at the places of removed weights is zero, but for its sign. `precondition` takes a
    gradient to a direction, by the diagonals unless given.
    """
    support = weights != 0
    if metric is None or metric.matrix is None:
        metric = None  # a row's own weight changes nothing

    def cost(change: Tensor) -> Tensor:
        there = change @ hessian
        return (there if metric is None else metric(there)) * support

    def along(first: Tensor, second: Tensor) -> Tensor:
        product = first * second
        return product.sum(dim=1, keepdim=True) if metric is None else product.sum()

    scale = 1.0 / hessian.diagonal()
    if metric is not None:
        scale = scale / metric.diagonal[:, None]

    def turn(gradient: Tensor) -> Tensor:
        return gradient * scale if precondition is None else precondition(gradient) * support

    residual = cost(target - weights)
    towards = turn(residual)
    size = along(residual, towards)
    while True:
        ahead = cost(towards)
        step = size / along(towards, ahead).clamp_min(1e-30)
        weights = weights + step * towards
        yield weights, step * size
        residual = residual - step * ahead
        turned = turn(residual)
        size_after = along(residual, turned)
        towards = turned + size_after / size.clamp_min(1e-30) * towards
        size = size_after


def refit_exactly(
    weights: Tensor,
    target: Tensor,
    hessian: Tensor,
    metric: Metric | None = None,
    tick: Callable[[], None] = lambda: None,
    room: int = 1 << 25,
) -> Tensor:
    """The best survivors for their mask under M, in float64, rounded at the end to the precision of
    `weights`.

    Where outputs count apart, (H + Λ)_SS ŵ_S = ((H + Λ) w*)_S of every row by Cholesky, in chunks
    of rows whose systems have at most `room` numbers; removed inputs stand in them as an identity,
    so all rows have one shape. A matrix M couples all survivors of a layer, too many for one
    system: then the descent of `refit` goes on until WINDOW more steps lower the loss by less than
    a share of PRECISE. Raises NumericalError where that takes more than MOST steps.
    """
    support, kind = weights != 0, weights
    weights, target, hessian = in_double(weights), in_double(target), in_double(hessian)
    if metric is None or metric.matrix is None:
        solved = _by_rows(weights != 0, target, hessian, tick, room)
    else:
        solved = _to_the_end(weights, target, hessian, metric.like(weights), tick)
    return torch.where(support, solved.to(kind), 0.0)


def _by_rows(
    support: Tensor, target: Tensor, hessian: Tensor, tick: Callable[[], None], room: int
) -> Tensor:
    right = (target @ hessian) * support
    width = len(hessian)
    solved = torch.empty_like(right)
    for start in range(0, len(right), max(1, room // width**2)):
        tick()
        part = slice(start, start + max(1, room // width**2))
        alive = support[part].to(right)
        system = hessian * alive[:, :, None] * alive[:, None, :] + torch.diag_embed(
            1 - alive
        )  # (rows, d_in, d_in)
        solved[part] = torch.cholesky_solve(right[part, :, None], _factored(system)).squeeze(2)
    return solved


def _factored(systems: Tensor) -> Tensor:
    """Lower factors of symmetric systems (…, d, d). Raises NumericalError where one is not positive
    definite.
    """
    lower: Tensor
    lower, failed = torch.linalg.cholesky_ex(systems)
    if bool(failed.any()):
        raise NumericalError(
            "The exact refit of a layer met statistics that are singular; use more damping, or "
            "refit=cg."
        )
    return lower


def _to_the_end(
    weights: Tensor, target: Tensor, hessian: Tensor, metric: Metric, tick: Callable[[], None]
) -> Tensor:
    """The descent until nothing is left to gain, preconditioned by M⁻¹ · (H + Λ)⁻¹, which takes
    half the steps or fewer.
    """
    if metric.matrix is None:
        raise RuntimeError("outputs that count apart are solved by rows")
    outputs, inputs = (
        torch.cholesky_inverse(_factored(matrix)) for matrix in (metric.matrix, hessian)
    )
    gap = target - weights
    start = loss = float((metric(gap) * (gap @ hessian)).sum())
    falls: list[float] = []
    descent = _descent(
        weights, target, hessian, metric, lambda gradient: outputs @ gradient @ inputs
    )
    for better, fall in itertools.islice(descent, MOST):
        tick()
        falls.append(float(fall))
        loss -= falls[-1]
        # The falls of all steps to come add up to what is left to gain, and those of the last steps
        # are larger
        if sum(falls[-WINDOW:]) <= PRECISE * max(loss, TINY * start) and len(falls) >= WINDOW:
            return better
    raise NumericalError(
        f"The exact refit of a layer did not settle within {MOST} steps; use more damping, or "
        "refit=cg."
    )


def loss_curves(
    weights: Sequence[Tensor],
    factor: Factor,
    metrics: Sequence[Metric],
    tick: Callable[[], None] = lambda: None,
) -> list[list[float]]:
    """tr(M (W − Ŵ)(H + Λ)(W − Ŵ)ᵀ) of linears (d_out, d_in) that share their inputs, swept to each
    of the allocation's grid.
    """
    cases = [
        (weight, metric, sparsity)
        for weight, metric in zip(weights, metrics, strict=True)
        for sparsity in GRID
    ]
    together = (
        1 if factor.upper.device.type == "cpu" else len(cases)
    )  # a core's cache holds one at a time
    found: list[Tensor] = []
    for start in range(0, len(cases), together):
        tick()
        part = cases[start : start + together]
        swept = blocked_apart(
            [weight for weight, _, _ in part],
            factor.upper,
            [sparsity for _, _, sparsity in part],
            [metric.diagonal for _, metric, _ in part],
        )
        for (weight, metric, _), sparse in zip(part, swept, strict=True):
            gap = weight - sparse
            found.append((metric(gap) * (gap @ factor.hessian)).sum())
    losses: list[float] = torch.stack(found).tolist()
    return [losses[start : start + len(GRID)] for start in range(0, len(losses), len(GRID))]

"""Refit the remaining weights of a pruned linear to its target; the mask stays as it is."""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from prunescope.engine.errors import NumericalError
from prunescope.engine.pruning.importance import OutputMetric
from prunescope.engine.pruning.precision import in_double

# When an exact refit under a metric has converged, see `refit_exactly`
TOLERANCE, WINDOW, MAX_STEPS = 1e-9, 10, 5000
TINY = 1e-12  # share of the loss before a refit that counts as none


def refit(
    weights: Tensor, target: Tensor, hessian: Tensor, steps: int, metric: OutputMetric | None = None
) -> Tensor:
    """Improve the remaining weights for their mask, by conjugate gradients on
    tr(M (W* − Ŵ)(H + Λ)(W* − Ŵ)ᵀ) over the support.

    Where outputs count separately, every row is a problem of its own. Preconditioned by diagonals;
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
    metric: OutputMetric | None,
    precondition: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The weights after each step of `refit`, and by how much the step lowered the loss: a number,
    or (rows, 1) where outputs count separately.

    Removed weights stay zero, but for the sign. `precondition` takes a gradient to a direction; the
    default is division by the diagonals of H and M.
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
    metric: OutputMetric | None = None,
    tick: Callable[[], None] = lambda: None,
    max_numbers: int = 1 << 25,
) -> Tensor:
    """The best remaining weights for their mask under M, computed in float64 and rounded at the end
    to the precision of `weights`.

    Where outputs count separately, every row solves (H + Λ)_SS ŵ_S = ((H + Λ) w*)_S by Cholesky, in
    chunks of rows whose systems have at most `max_numbers` numbers; removed inputs are identity
    rows, so that all systems have one shape. A matrix M couples all remaining weights of a layer,
    too many for one system: then the descent of `refit` goes on until WINDOW more steps lower the
    loss by less than a share of TOLERANCE. Raises NumericalError where that takes more than
    MAX_STEPS steps.
    """
    support, kind = weights != 0, weights
    weights, target, hessian = in_double(weights), in_double(target), in_double(hessian)
    if metric is None or metric.matrix is None:
        solution = _by_rows(weights != 0, target, hessian, tick, max_numbers)
    else:
        solution = _until_converged(weights, target, hessian, metric.like(weights), tick)
    return torch.where(support, solution.to(kind), 0.0)


def _by_rows(
    support: Tensor, target: Tensor, hessian: Tensor, tick: Callable[[], None], max_numbers: int
) -> Tensor:
    right = (target @ hessian) * support
    width = len(hessian)
    solution = torch.empty_like(right)
    for start in range(0, len(right), max(1, max_numbers // width**2)):
        tick()
        part = slice(start, start + max(1, max_numbers // width**2))
        remaining = support[part].to(right)
        # (rows, d_in, d_in)
        system = hessian * remaining[:, :, None] * remaining[:, None, :]
        system = system + torch.diag_embed(1 - remaining)
        solution[part] = torch.cholesky_solve(right[part, :, None], _factored(system)).squeeze(2)
    return solution


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


def _until_converged(
    weights: Tensor, target: Tensor, hessian: Tensor, metric: OutputMetric, tick: Callable[[], None]
) -> Tensor:
    """The descent until nothing is left to gain, preconditioned by M⁻¹ · (H + Λ)⁻¹, which takes
    half the steps or fewer.
    """
    if metric.matrix is None:
        raise RuntimeError("outputs that count separately are solved by rows")
    outputs, inputs = (
        torch.cholesky_inverse(_factored(matrix)) for matrix in (metric.matrix, hessian)
    )
    gap = target - weights
    start = loss = float((metric(gap) * (gap @ hessian)).sum())
    falls: list[float] = []
    descent = _descent(
        weights, target, hessian, metric, lambda gradient: outputs @ gradient @ inputs
    )
    for better, fall in itertools.islice(descent, MAX_STEPS):
        tick()
        falls.append(float(fall))
        loss -= falls[-1]
        # The falls of all steps to come add up to what is left to gain, and those of the last steps
        # are larger
        if sum(falls[-WINDOW:]) <= TOLERANCE * max(loss, TINY * start) and len(falls) >= WINDOW:
            return better
    raise NumericalError(
        f"The exact refit of a layer did not settle within {MAX_STEPS} steps; use more damping, or "
        "refit=cg."
    )

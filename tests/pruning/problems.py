"""Small linears to prune, and what the tests of solvers and refits measure on them."""

import torch
from torch import Tensor

from prunescope.engine.pruning.importance import OutputMetric
from prunescope.engine.pruning.patterns import NofM, Pattern, Unstructured
from prunescope.engine.pruning.refits import refit_exactly
from prunescope.engine.pruning.solvers import (
    Problem,
)
from prunescope.engine.pruning.targets import factorise


def problem(
    rows: int, width: int, sparsity: float = 0.5, pattern: Pattern | None = None, seed: int = 0
) -> Problem:
    """Weights and the factor of correlated inputs, in single precision."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(4 * width, width, generator=generator) @ torch.randn(
        width, width, generator=generator
    )
    hessian = inputs.T @ inputs / len(inputs)
    chosen = pattern or Unstructured()
    level = chosen.sparsity if isinstance(chosen, NofM) else sparsity
    return Problem(
        torch.randn(rows, width, generator=generator),
        factorise(hessian, 0.01),
        hessian.diagonal(),
        level,
        chosen,
    )


def coupled(rows: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> OutputMetric:
    """A metric in which a few combinations of outputs carry most."""
    axes = torch.randn(
        rows, max(1, rows // 4), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    matrix = (axes @ axes.T + 0.1 * torch.eye(rows, dtype=torch.float64)).to(dtype)
    return OutputMetric(matrix.diagonal().clone(), matrix)


def metric_loss(weights: Tensor, linear: Problem, metric: OutputMetric) -> float:
    """tr(M (w* − w)(H + Λ)(w* − w)ᵀ), in float64."""
    assert metric.matrix is not None
    gap = (linear.target - weights).double()
    return float(((metric.matrix.double() @ gap) * (gap @ linear.factor.hessian.double())).sum())


def loss(weights: Tensor, linear: Problem, importance: Tensor | None = None) -> float:
    """Σ over rows of importance · (w* − w)ᵀ (H + Λ)(w* − w), in float64."""
    gap = (linear.target - weights).double()
    rows = ((gap @ linear.factor.hessian.double()) * gap).sum(dim=1)
    return float(rows.sum() if importance is None else (rows * importance.double()).sum())


def refitted(weights: Tensor, linear: Problem) -> Tensor:
    """The best remaining weights for their mask."""
    return refit_exactly(weights, linear.target, linear.factor.hessian)


def zeros(weights: Tensor) -> int:
    """How many weights are zero."""
    return int((weights == 0).sum())

"""Factorise the damped Hessian, and re-target the weights to the dense model's outputs.

Minimising ‖W X_d + R_d − Ŵ X_s − R_s‖²/n + ‖(Ŵ − W) Λ^½‖² over a sparse Ŵ is, by completing the
square, ordinary Optimal Brain Surgeon with Hessian H + Λ started from

    W* = W + α C (H + Λ)⁻¹,    C = [W(X_d − X_s) + R_d − R_s] X_sᵀ / n.

The ridge pulls toward W, not toward zero: without drift W* = W. α = 0 leaves the error of earlier
layers uncorrected. Source of the two-sided form: docs/method.md. P1's Eq. 5 is the one-sided
relative, see `p1_target`.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from prunescope.engine.errors import NumericalError
from prunescope.engine.pruning.precision import eigenvectors, in_double

MAX_DAMPING = 0.1
# `Factor.pivot` below which greedy choices are made in float64: single precision differed up to
# 0.03
LEAST_PIVOT = 0.1
# share of a diagonal entry that float32 must leave as its pivot: below, too few of its 7 digits are
# right
MIN_PIVOT = 1e-3
LEAF = 256  # columns factorised by LAPACK at once


@dataclass(frozen=True)
class Factor:
    """H + Λ and the upper factor of its inverse: (H + Λ)⁻¹ = Uᵀ U. What solvers derive from them is
    computed once.
    """

    hessian: Tensor  # (d, d), damped
    upper: Tensor  # U, (d, d), upper triangular
    damping: float  # the ridge that was needed, as a share of the mean diagonal of H
    raised: bool = False  # the requested damping was not enough
    ridge: float = 0.0  # Λ = ridge · I

    @cached_property
    def inverse(self) -> Tensor:
        """(H + Λ)⁻¹, (d, d), symmetric to the bit, which greedy downdates need."""
        product = self.upper.T @ self.upper
        return (product + product.T) / 2

    @cached_property
    def pivot(self) -> float:
        """The least share of an input that all others do not explain, min 1 / (A_jj H_jj) with A =
        (H + Λ)⁻¹.

        The pivots of U itself would not do: each leaves out the inputs before it, and so depends on
        their order.
        """
        return 1 / float((self.hessian.diagonal() * self.upper.square().sum(dim=0)).max())

    @property
    def coarse(self) -> bool:
        """Whether its precision is too low for greedy choices: every removal divides by a pivot
        that cancellation left.
        """
        return self.upper.dtype != torch.float64 and self.pivot < LEAST_PIVOT

    @property
    def wide(self) -> "Factor":
        """The same in float64, see `in_double`."""
        return replace(self, hessian=in_double(self.hessian), upper=in_double(self.upper))

    @cached_property
    def scale(self) -> Tensor:
        """D^½, the square root of the diagonal of H + Λ, (d,)."""
        return self.hessian.diagonal().sqrt()

    @cached_property
    def scaled(self) -> Tensor:
        """D^-½ (H + Λ) D^-½, of unit diagonal, (d, d)."""
        return self.hessian / self.scale / self.scale[:, None]

    @cached_property
    def axes(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues (d,), ascending and not negative, and eigenvectors (d, d) of `scaled`."""
        values, vectors = eigenvectors(self.scaled)
        return values.clamp_min(0.0), vectors

    def solve(self, right: Tensor) -> Tensor:
        """Multiply `right`, (rows, d), by (H + Λ)⁻¹ from the right."""
        return (right @ self.upper.T) @ self.upper


def _inverse_root(matrix: Tensor) -> Tensor | None:
    """Upper U with matrix⁻¹ = Uᵀ U; None when the matrix is not positive definite in its precision.

    Below float64 a pivot 1 / U_jj² counts as positive only when cancellation left it digits: its
    relative error is about ε · H_jj U_jj².
    """
    upper = torch.zeros_like(matrix)
    fine = _fill(matrix, upper)
    if matrix.dtype != torch.float64:
        fine = fine & (matrix.diagonal() * upper.diagonal().square() * MIN_PIVOT <= 1).all()
    return upper if bool(fine) else None


def _fill(matrix: Tensor, upper: Tensor) -> Tensor:
    """Write U into `upper`, which is zero, by halves; returns whether every pivot was positive.

    With matrix = R Rᵀ = [[A, B], [Bᵀ, C]] and R upper: U₂₂ is the factor of C, R₁₂ = B U₂₂ᵀ, U₁₁
    the factor of A − R₁₂ R₁₂ᵀ, U₁₂ = −U₁₁ R₁₂ U₂₂. All but the leaves is matrix products; LAPACK's
    own result would be cleared below its diagonal against the order of memory, which takes as long
    as factorising.
    """
    width = len(matrix)
    if width <= LEAF:
        lower, info = torch.linalg.cholesky_ex(matrix.flip(0, 1))
        eye = torch.eye(width, dtype=lower.dtype, device=lower.device)
        upper.copy_(torch.linalg.solve_triangular(lower, eye, upper=False).flip(0, 1))
        positive: Tensor = info == 0
        return positive
    half = width // 2
    first, last = upper[:half, :half], upper[half:, half:]
    fine = _fill(matrix[half:, half:], last)
    between = matrix[:half, half:] @ last.T
    fine = fine & _fill(torch.addmm(matrix[:half, :half], between, between.T, alpha=-1), first)
    torch.mm(first, (between @ last).neg_(), out=upper[:half, half:])
    return fine


def factorise(hessian: Tensor, damping: float, absolute: bool = False) -> Factor:
    """Factor H + λI in its own precision, else in float64, raising λ tenfold while both fail.

    λ is `damping` · mean(diag H), or `damping` itself when `absolute`. Raises NumericalError where
    λ would exceed a tenth of the mean diagonal, or on values that are not finite.
    """
    # Either end of a range with NaN is NaN
    if not bool(torch.isfinite(torch.stack(torch.aminmax(hessian))).all()):
        raise NumericalError(
            "The layer's input statistics are not finite; check the model's weights for NaN or Inf."
        )
    home, kind = hessian.device, hessian.dtype
    work = hessian.cpu() if home.type == "mps" else hessian  # MPS has no float64
    # Inputs that are all zero have a mean of zero: then any ridge will do
    mean = float(work.diagonal().double().mean()) or 1.0
    share, raised = damping / mean if absolute else damping, False
    while True:
        for precision in dict.fromkeys((torch.promote_types(kind, torch.float32), torch.float64)):
            damped = work.to(precision, copy=True)
            damped.diagonal().add_(share * mean)
            upper = _inverse_root(damped)
            if upper is not None:
                ridge = damping if absolute and not raised else share * mean
                return Factor(damped.to(home, kind), upper.to(home, kind), share, raised, ridge)
        share, raised = 10 * share or MAX_DAMPING * 1e-4, True  # ten times zero would stay zero
        if share > MAX_DAMPING * (1 + 1e-9):
            raise NumericalError(
                f"The input statistics of a layer ({len(work)} inputs) stay singular up to a "
                f"damping of {MAX_DAMPING}; use more calibration text."
            )


def adaptive_target(weight: Tensor, drift: Tensor | None, factor: Factor, alpha: float) -> Tensor:
    """W* = W + α C (H + Λ)⁻¹, (d_out, d_in); a copy of W without drift C."""
    if drift is None or alpha == 0:
        return weight.clone()
    return weight + alpha * factor.solve(drift)


def p1_target(weight: Tensor, drift: Tensor | None, factor: Factor) -> Tensor:
    """P1's Eq. 5, W̄ = W X_d X_sᵀ (X_s X_sᵀ + λI)⁻¹, (d_out, d_in): the ridge pulls
    toward zero.

    With C = W(G − H) it is W + (C − λW)(H + λI)⁻¹; the factor's ridge is λ / n where H is a mean
    over n tokens, and more where that had to be raised.
    """
    change = -factor.ridge * weight if drift is None else drift - factor.ridge * weight
    return weight + factor.solve(change)

"""Factor the damped Hessian, and re-target the weights to the dense model's outputs.

Minimising ‖W X_d + R_d − Ŵ X_s − R_s‖²/n + ‖(Ŵ − W) Λ^½‖² over a sparse Ŵ is, by completing the square, ordinary
Optimal Brain Surgeon with Hessian H + Λ started from

    W* = W + α C (H + Λ)⁻¹,    C = [W(X_d − X_s) + R_d − R_s] X_sᵀ / n.

The ridge pulls toward W, not toward zero: without drift W* = W. α = 0 leaves the error of earlier layers uncorrected.
Source of the two-sided form: DESIGN §3; Eq. 5 of the seed paper is the one-sided relative.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import NumericalError

MAX_DAMPING = 0.1


@dataclass(frozen=True, slots=True)
class Factor:
    """H + Λ and its inverse's upper factor: (H + Λ)⁻¹ = Uᵀ U."""

    hessian: Tensor  # (d, d), damped
    upper: Tensor  # U, (d, d), upper triangular
    damping: float  # the share of the mean diagonal that was needed


def _damped(hessian: Tensor, damping: float) -> Tensor:
    """H + Λ with Λ = damping · mean(diag H) · I, and inputs that never fired (zero diagonal) made harmless."""
    diagonal = hessian.diagonal()
    ridge = torch.full_like(diagonal, damping * float(diagonal.mean()))
    ridge[diagonal == 0] += 1.0
    return hessian + torch.diag(ridge)


def _flipped_cholesky(matrix: Tensor) -> tuple[Tensor, bool]:
    """Upper R with R Rᵀ = matrix, from one Cholesky of the flipped matrix; False when it is not positive definite."""
    lower, info = torch.linalg.cholesky_ex(matrix.flip(0, 1))
    return lower.flip(0, 1), bool(info.item() == 0)


def factorise(hessian: Tensor, damping: float) -> Factor:
    """Factor H + Λ in float64, raising the damping tenfold while that fails.

    Raises NumericalError above a damping of 0.1 or on values that are not finite.
    """
    if not bool(torch.isfinite(hessian).all()):
        raise NumericalError("The layer's input statistics are not finite; check the model's weights for NaN or Inf.")
    home = hessian.device
    work = hessian.cpu().double() if home.type == "mps" else hessian.double()  # MPS has no float64
    while True:
        damped = _damped(work, damping)
        root, fine = _flipped_cholesky(damped)
        if fine:
            upper = torch.linalg.solve_triangular(root, torch.eye(len(root), dtype=root.dtype, device=root.device),
                                                  upper=True)  # fmt: skip
            return Factor(damped.to(home, hessian.dtype), upper.to(home, hessian.dtype), damping)
        damping = 10 * damping or MAX_DAMPING * 1e-4  # from zero too, or it would stay there
        if damping > MAX_DAMPING * (1 + 1e-9):
            raise NumericalError(
                f"The input statistics of a layer ({len(work)} inputs) stay singular up to a damping of {MAX_DAMPING}; "
                "use more calibration text."
            )


def retarget(weight: Tensor, drift: Tensor | None, factor: Factor, alpha: float) -> Tensor:
    """W* = W + α C (H + Λ)⁻¹, (d_out, d_in)."""
    if drift is None or alpha == 0:
        return weight.clone()
    return weight + alpha * (drift @ factor.upper.T) @ factor.upper

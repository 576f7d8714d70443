"""Factor the damped Hessian, and re-target the weights to the dense model's outputs.

Minimising ‖W X_d + R_d − Ŵ X_s − R_s‖²/n + ‖(Ŵ − W) Λ^½‖² over a sparse Ŵ is, by completing the square, ordinary
Optimal Brain Surgeon with Hessian H + Λ started from

    W* = W + α C (H + Λ)⁻¹,    C = [W(X_d − X_s) + R_d − R_s] X_sᵀ / n.

The ridge pulls toward W, not toward zero: without drift W* = W. α = 0 leaves the error of earlier layers uncorrected.
Source of the two-sided form: DESIGN §3. Eq. 5 of the seed paper is the one-sided relative, see `paper_target`.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.errors import NumericalError

MAX_DAMPING = 0.1


@dataclass(frozen=True)
class Factor:
    """H + Λ and its flipped Cholesky factor R, upper triangular: H + Λ = R Rᵀ. What a solver asks for is made once."""

    hessian: Tensor  # (d, d), damped
    root: Tensor  # R, (d, d), in float64 where the device has it
    damping: float  # the ridge that was needed, as a share of the mean diagonal of H
    raised: bool = False  # the damping asked for was not enough

    @cached_property
    def upper(self) -> Tensor:
        """U = R⁻¹, upper triangular: (H + Λ)⁻¹ = Uᵀ U."""
        one = torch.eye(len(self.root), dtype=self.root.dtype, device=self.root.device)
        upper: Tensor = torch.linalg.solve_triangular(self.root, one, upper=True).to(self.hessian)
        return upper

    @cached_property
    def inverse(self) -> Tensor:
        """(H + Λ)⁻¹, (d, d), symmetric to the bit, which greedy downdates need."""
        product = self.upper.T @ self.upper
        return (product + product.T) / 2

    @cached_property
    def scale(self) -> Tensor:
        """D^½, the square root of the diagonal of H + Λ, (d,)."""
        return self.hessian.diagonal().sqrt()

    @cached_property
    def scaled(self) -> Tensor:
        """D^-½ (H + Λ) D^-½, of unit diagonal, (d, d)."""
        return self.hessian / self.scale / self.scale[:, None]

    @cached_property
    def _ridged(self) -> dict[float, Tensor]:
        return {}

    def ridged(self, ratio: float) -> Tensor:
        """(D^-½ (H + Λ) D^-½ + ratio I)⁻¹, (d, d), kept for the linears that share these inputs."""
        if ratio not in self._ridged:
            matrix = self.scaled.clone()
            matrix.diagonal().add_(ratio)
            self._ridged[ratio] = torch.cholesky_inverse(torch.linalg.cholesky(matrix))
        return self._ridged[ratio]

    def solve(self, right: Tensor) -> Tensor:
        """right (H + Λ)⁻¹ for (rows, d)."""
        if len(right) >= len(self.root) or self.damping < 1e-3:  # U pays, or single precision would not be enough
            return (right @ self.upper.T) @ self.upper
        root = self.root.to(self.hessian)
        half = torch.linalg.solve_triangular(root, right.T, upper=True)  # R⁻¹ rightᵀ
        whole: Tensor = torch.linalg.solve_triangular(root.T, half, upper=False)
        return whole.T


def _flipped_cholesky(matrix: Tensor) -> tuple[Tensor, bool]:
    """Upper R with R Rᵀ = matrix, from one Cholesky of the flipped matrix; False when it is not positive definite."""
    lower, info = torch.linalg.cholesky_ex(matrix.flip(0, 1))
    return lower.flip(0, 1), bool(info.item() == 0)


def factorise(hessian: Tensor, damping: float, absolute: bool = False) -> Factor:
    """Factor H + λI in float64, raising λ tenfold while that fails.

    λ is `damping` · mean(diag H), or `damping` itself when `absolute`. Raises NumericalError where λ would exceed a tenth
    of the mean diagonal, or on values that are not finite.
    """
    if not bool(torch.isfinite(hessian).all()):
        raise NumericalError("The layer's input statistics are not finite; check the model's weights for NaN or Inf.")
    home = hessian.device
    work = hessian.cpu().double() if home.type == "mps" else hessian.double()  # MPS has no float64
    mean = float(work.diagonal().mean()) or 1.0  # inputs that never fired: any ridge will do
    share, raised = damping / mean if absolute else damping, False
    while True:
        damped = work.clone()
        damped.diagonal().add_(share * mean)
        root, fine = _flipped_cholesky(damped)
        if fine:
            root = root.to(home, torch.float32) if home.type == "mps" else root
            return Factor(damped.to(hessian), root, share, raised)
        share, raised = 10 * share or MAX_DAMPING * 1e-4, True  # from zero too, or it would stay there
        if share > MAX_DAMPING * (1 + 1e-9):
            raise NumericalError(
                f"The input statistics of a layer ({len(work)} inputs) stay singular up to a damping of {MAX_DAMPING}; "
                "use more calibration text."
            )


def retarget(weight: Tensor, drift: Tensor | None, factor: Factor, alpha: float) -> Tensor:
    """W* = W + α C (H + Λ)⁻¹, (d_out, d_in)."""
    if drift is None or alpha == 0:
        return weight.clone()
    return weight + alpha * factor.solve(drift)


def paper_target(weight: Tensor, drift: Tensor | None, factor: Factor, ridge: float) -> Tensor:
    """Eq. 5 of the seed paper, W̄ = W X_d X_sᵀ (X_s X_sᵀ + λI)⁻¹, (d_out, d_in): the ridge pulls toward zero.

    With C = W(G − H) it is W + (C − λW)(H + λI)⁻¹; `ridge` is λ / n where H is a mean over n tokens.
    """
    change = -ridge * weight if drift is None else drift - ridge * weight
    return weight + factor.solve(change)

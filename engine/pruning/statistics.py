"""What the solver needs to know about a layer's inputs, gathered over real tokens only.

Tokens are rows: X_d, X_s (tokens, d_in) are the layer's inputs in the dense and in the sparse
model, R_d, R_s (tokens, d_out) the residuals that the layer's output is added to. A token may carry
a weight ω ≥ 0; without weights all count alike.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True)
class Gram:
    """Running sums over the tokens seen so far.

    H = Σ ω x_s x_sᵀ / Σ ω, the means of x_s and of the drift, and the drift seen through the layer,
    C = Σ ω (W x_d + r_d − W x_s − r_s) x_sᵀ / Σ ω, which is W(G − H) plus the residual's part. Sums
    are kept in the inputs' precision, which is also that of `weight`; the division happens once.
    """

    weight: Tensor  # (d_out, d_in), dense
    centred: bool = False  # statistics of x − mean(x)
    residual: bool = False  # the target holds a residual, which has d_out numbers a token
    tokens: int = 0
    mass: float = 0.0  # Σ ω
    _inputs: Tensor | None = None  # (d_in, d_in), upper block triangle
    _cross: Tensor | None = (
        None  # (d_out, d_in) or, before multiplying by W, (d_in, d_in); None: nothing drifted
    )
    _mean: Tensor | None = None  # (d_in,), only where centred
    _mean_drift: Tensor | None = None  # (d_out,) or (d_in,), as `_cross`, only where centred
    _hessian: Tensor | None = None  # H, once it was asked for

    @property
    def by_outputs(self) -> bool:
        """Whether the drift is summed behind the layer: cheaper than a (d_in, d_in) cross Gram
        where d_out <= d_in.
        """
        rows, width = self.weight.shape
        return self.residual or rows <= width

    def add(self, sparse: Tensor, wanted: Tensor | None, weights: Tensor | None = None) -> None:
        """Add tokens: X_s and what is wanted of them, None when nothing drifted.

        `wanted` is W X_d + R_d − R_s (tokens, d_out) where `by_outputs`, else X_d (tokens, d_in).
        `weights` is ω (tokens,).
        """
        self.tokens += sparse.shape[0]
        self.mass += float(sparse.shape[0] if weights is None else weights.sum())
        self._hessian = None
        root = None if weights is None else weights.sqrt()[:, None]
        scaled = sparse if root is None else sparse * root
        if self._inputs is None:
            self._inputs = self.weight.new_zeros(sparse.shape[1], sparse.shape[1])
        _add_gram(self._inputs, scaled)
        if self.centred:
            self._mean = _sum(self._mean, _total(sparse, weights))
        if wanted is None:
            return
        if self._cross is None:
            self._cross = self.weight.new_zeros(wanted.shape[1], sparse.shape[1])
        self._cross.addmm_((wanted if root is None else wanted * root).T, scaled)
        if self.centred:
            self._mean_drift = _sum(self._mean_drift, _total(wanted, weights))

    def __add__(self, other: "Gram") -> "Gram":
        """The sums over both sets of tokens."""
        both = Gram(
            self.weight,
            self.centred,
            self.residual,
            self.tokens + other.tokens,
            self.mass + other.mass,
        )
        for name in ("_inputs", "_cross", "_mean", "_mean_drift"):
            setattr(both, name, _sum(getattr(self, name), getattr(other, name)))
        return both

    def power(self) -> Tensor:
        """Σ ω x_s² / Σ ω, (d_in,)."""
        return self._sums().diagonal() / self.mass

    def _sums(self) -> Tensor:
        width = self.weight.shape[1]
        return self.weight.new_zeros(width, width) if self._inputs is None else self._inputs

    def mean(self) -> Tensor:
        """Mean of x_s, (d_in,); zero where the statistics are not centred."""
        return (
            self.weight.new_zeros(self.weight.shape[1])
            if self._mean is None
            else self._mean / self.mass
        )

    def hessian(self) -> Tensor:
        """H, (d_in, d_in), symmetric."""
        if self._hessian is None:
            self._hessian = _mirror(self._sums()).div_(self.mass)
            if self.centred:
                self._hessian.sub_(
                    torch.outer(self.mean(), self.mean())
                )  # symmetric to the bit, as `addr_` is not
        return self._hessian

    def drift(self) -> Tensor | None:
        """C, (d_out, d_in); None when nothing drifted."""
        if self._cross is None:
            return None
        cross = self._cross / self.mass
        if self._mean_drift is not None:
            cross.addr_(self._mean_drift / self.mass, self.mean(), alpha=-1)
        hessian = self.hessian()
        return (
            cross.addmm_(self.weight, hessian, alpha=-1)
            if self.by_outputs
            else self.weight @ (cross - hessian)
        )

    def mean_drift(self) -> Tensor:
        """Mean of W x_d + r_d − W x_s − r_s, (d_out,); zero where nothing drifted or the statistics
        are not centred.
        """
        if self._mean_drift is None:
            return self.weight.new_zeros(len(self.weight))
        wanted = self._mean_drift / self.mass
        return (
            wanted - self.weight @ self.mean()
            if self.by_outputs
            else self.weight @ (wanted - self.mean())
        )


def in_double(values: Tensor) -> Tensor:
    """The same in float64, on the CPU where the device has none."""
    return (values.cpu() if values.device.type == "mps" else values).double()


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """The sum of what is there, in memory of its own."""
    if first is None or second is None:
        found = second if first is None else first
        return None if found is None else found.clone()
    return first + second


def _total(values: Tensor, weights: Tensor | None) -> Tensor:
    """Σ ω v over tokens."""
    return values.sum(dim=0) if weights is None else weights @ values


def _add_gram(total: Tensor, inputs: Tensor, piece: int = 384) -> None:
    """total += XᵀX, the upper block triangle only: five eighths of the arithmetic at d = 4 pieces."""
    width = total.shape[0]
    for start in range(0, width, piece):
        stop = min(start + piece, width)
        total[start:stop, start:].addmm_(inputs[:, start:stop].T, inputs[:, start:])


def _mirror(upper: Tensor) -> Tensor:
    """A copy with the lower triangle filled from the upper one."""
    full = upper.triu()
    return full.add_(upper.triu(1).T)

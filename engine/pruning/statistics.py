"""What the solver needs to know about a layer's inputs, collected over real tokens only.

Tokens are rows: X_d, X_s (tokens, d_in) are the layer's inputs in the dense and in the pruned
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
    C = Σ ω (W x_d + r_d − W x_s − r_s) x_sᵀ / Σ ω, which is W(G − H) plus the residual's part, with
    the cross Gram G = Σ ω x_d x_sᵀ / Σ ω. Sums are kept in the precision of the inputs, which is
    also that of `weight`; the division happens once.
    """

    weight: Tensor  # (d_out, d_in), dense
    centred: bool = False  # statistics of x − mean(x)
    residual: bool = False  # the reference includes a residual, which has d_out numbers a token
    tokens: int = 0
    mass: float = 0.0  # Σ ω
    _inputs: Tensor | None = None  # (d_in, d_in), upper block triangle
    # (d_out, d_in) where `by_outputs`, else (d_in, d_in), before W; None: nothing drifted
    _cross: Tensor | None = None
    _mean: Tensor | None = None  # (d_in,), only where centred
    _mean_drift: Tensor | None = None  # (d_out,) or (d_in,), as `_cross`, only where centred
    _hessian: Tensor | None = None  # H, once it was computed

    @property
    def by_outputs(self) -> bool:
        """Whether the drift is summed at the layer's outputs: cheaper than a (d_in, d_in) cross
        Gram where d_out <= d_in.
        """
        rows, width = self.weight.shape
        return self.residual or rows <= width

    def add(self, inputs: Tensor, reference: Tensor | None, weights: Tensor | None = None) -> None:
        """Add tokens: X_s (tokens, d_in) and the dense model's reference; None: nothing drifted.

        `reference` is W X_d + R_d − R_s (tokens, d_out) where `by_outputs`, else X_d (tokens,
        d_in). `weights` is ω (tokens,).
        """
        self.tokens += inputs.shape[0]
        self.mass += float(inputs.shape[0] if weights is None else weights.sum())
        self._hessian = None
        root = None if weights is None else weights.sqrt()[:, None]
        scaled = inputs if root is None else inputs * root
        if self._inputs is None:
            self._inputs = self.weight.new_zeros(inputs.shape[1], inputs.shape[1])
        _add_gram(self._inputs, scaled)
        if self.centred:
            self._mean = _sum(self._mean, _total(inputs, weights))
        if reference is None:
            return
        if self._cross is None:
            self._cross = self.weight.new_zeros(reference.shape[1], inputs.shape[1])
        self._cross.addmm_((reference if root is None else reference * root).T, scaled)
        if self.centred:
            self._mean_drift = _sum(self._mean_drift, _total(reference, weights))

    def add_constant(self, inputs: Tensor) -> None:
        """Add rows (rows, d_in) that are the same in both models and for every text. Together they
        weigh as much as the tokens so far, and they count as none.
        """
        tokens, mass = self.tokens, self.mass
        weights = inputs.new_full((len(inputs),), mass / len(inputs))
        reference = None
        if self._cross is not None:  # without any drift
            reference = inputs @ self.weight.T if self.by_outputs else inputs
        self.add(inputs, reference, weights)
        self.tokens = tokens

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
        if self._mean is None:
            return self.weight.new_zeros(self.weight.shape[1])
        return self._mean / self.mass

    def hessian(self) -> Tensor:
        """H, (d_in, d_in), symmetric."""
        if self._hessian is None:
            self._hessian = _mirror(self._sums()).div_(self.mass)
            if self.centred:
                # symmetric to the bit, which `addr_` is not
                self._hessian.sub_(torch.outer(self.mean(), self.mean()))
        return self._hessian

    def drift(self) -> Tensor | None:
        """C, (d_out, d_in); None when nothing drifted."""
        if self._cross is None:
            return None
        cross = self._cross / self.mass
        if self._mean_drift is not None:
            cross.addr_(self._mean_drift / self.mass, self.mean(), alpha=-1)
        hessian = self.hessian()
        if self.by_outputs:
            return cross.addmm_(self.weight, hessian, alpha=-1)
        return self.weight @ (cross - hessian)

    def mean_drift(self) -> Tensor:
        """Mean of W x_d + r_d − W x_s − r_s, (d_out,); zero where nothing drifted or the statistics
        are not centred.
        """
        if self._mean_drift is None:
            return self.weight.new_zeros(len(self.weight))
        reference = self._mean_drift / self.mass
        if self.by_outputs:
            return reference - self.weight @ self.mean()
        return self.weight @ (reference - self.mean())


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """The sum of those that are not None, in memory of its own."""
    if first is None:
        return None if second is None else second.clone()
    return first.clone() if second is None else first + second


def _total(values: Tensor, weights: Tensor | None) -> Tensor:
    """Σ ω v over tokens."""
    return values.sum(dim=0) if weights is None else weights @ values


def _add_gram(total: Tensor, inputs: Tensor, span: int = 384) -> None:
    """Add XᵀX to `total`, the upper block triangle only: 5/8 of the arithmetic at d = 4 spans."""
    width = total.shape[0]
    for start in range(0, width, span):
        stop = min(start + span, width)
        total[start:stop, start:].addmm_(inputs[:, start:stop].T, inputs[:, start:])


def _mirror(upper: Tensor) -> Tensor:
    """A copy with the lower triangle filled from the upper one."""
    full = upper.triu()
    return full.add_(upper.triu(1).T)

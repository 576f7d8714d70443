"""What the solver needs to know about a layer's inputs, gathered over real tokens only.

Tokens are rows: X_d, X_s (tokens, d_in) are the layer's inputs in the dense and in the sparse model, R_d, R_s
(tokens, d_out) the residuals that the layer's output is added to. A token may carry a weight ω ≥ 0; without weights all
count alike.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True)
class Gram:
    """Running sums over the tokens seen so far.

    H = Σ ω x_s x_sᵀ / Σ ω, the means of x_s and of the drift, and the drift seen through the layer,
    C = Σ ω (W x_d + r_d − W x_s − r_s) x_sᵀ / Σ ω, which is W(G − H) plus the residual's part. Sums are kept in the inputs'
    precision, the division happens once.
    """

    weight: Tensor  # (d_out, d_in), dense
    centred: bool = False  # statistics of x − mean(x)
    tokens: int = 0
    mass: float = 0.0  # Σ ω
    _inputs: Tensor = field(init=False)  # (d_in, d_in), upper block triangle
    _cross: Tensor = field(init=False)  # (d_out, d_in) or, before multiplying by W, (d_in, d_in)
    _mean: Tensor = field(init=False)  # (d_in,)
    _mean_drift: Tensor = field(init=False)  # (d_out,) or (d_in,), as `_cross`
    _moved: bool = False

    def __post_init__(self) -> None:
        rows, width = self.weight.shape
        self._inputs = self.weight.new_zeros(width, width)
        self._cross = self.weight.new_zeros(min(rows, width), width)
        self._mean, self._mean_drift = self.weight.new_zeros(width), self.weight.new_zeros(min(rows, width))

    @property
    def by_outputs(self) -> bool:
        """Whether the drift is summed behind the layer: cheaper than a (d_in, d_in) cross Gram where d_out <= d_in."""
        rows, width = self.weight.shape
        return rows <= width

    def add(self, sparse: Tensor, wanted: Tensor | None, weights: Tensor | None = None) -> None:
        """Add tokens: X_s and what is wanted of them, None when nothing drifted.

        `wanted` is W X_d + R_d − R_s (tokens, d_out) where `by_outputs`, else X_d (tokens, d_in). `weights` is ω (tokens,).
        """
        self.tokens += sparse.shape[0]
        self.mass += float(sparse.shape[0] if weights is None else weights.sum())
        scaled = sparse if weights is None else sparse * weights.sqrt()[:, None]
        _add_gram(self._inputs, scaled)
        self._mean += (sparse if weights is None else sparse * weights[:, None]).sum(dim=0)
        if wanted is None:
            return
        self._moved = True
        self._cross.addmm_((wanted if weights is None else wanted * weights.sqrt()[:, None]).T, scaled)
        self._mean_drift += (wanted if weights is None else wanted * weights[:, None]).sum(dim=0)

    def __add__(self, other: "Gram") -> "Gram":
        """The sums over both sets of tokens."""
        both = Gram(self.weight, self.centred)
        both.tokens, both.mass = self.tokens + other.tokens, self.mass + other.mass
        both._inputs, both._cross = self._inputs + other._inputs, self._cross + other._cross
        both._mean, both._mean_drift = self._mean + other._mean, self._mean_drift + other._mean_drift
        both._moved = self._moved or other._moved
        return both

    def power(self) -> Tensor:
        """Σ ω x_s² / Σ ω, (d_in,)."""
        return self._inputs.diagonal() / self.mass

    def mean(self) -> Tensor:
        """Mean of x_s, (d_in,)."""
        return self._mean / self.mass

    def hessian(self) -> Tensor:
        """H, (d_in, d_in), symmetric."""
        full = _mirror(self._inputs) / self.mass
        return full - torch.outer(self.mean(), self.mean()) if self.centred else full

    def drift(self) -> Tensor | None:
        """C, (d_out, d_in); None when nothing drifted."""
        if not self._moved:
            return None
        cross = self._cross / self.mass
        if self.centred:
            cross = cross - torch.outer(self._mean_drift / self.mass, self.mean())
        hessian = self.hessian()
        return cross - self.weight @ hessian if self.by_outputs else self.weight @ (cross - hessian)

    def mean_drift(self) -> Tensor:
        """Mean of W x_d + r_d − W x_s − r_s, (d_out,)."""
        if not self._moved:
            return self.weight.new_zeros(len(self.weight))
        wanted = self._mean_drift / self.mass
        return wanted - self.weight @ self.mean() if self.by_outputs else self.weight @ (wanted - self.mean())


def _add_gram(total: Tensor, inputs: Tensor, piece: int = 384) -> None:
    """total += XᵀX, the upper block triangle only: five eighths of the arithmetic at d = 4 pieces."""
    width = total.shape[0]
    for start in range(0, width, piece):
        stop = min(start + piece, width)
        total[start:stop, start:].addmm_(inputs[:, start:stop].T, inputs[:, start:])


def _mirror(upper: Tensor) -> Tensor:
    """Fill the lower block triangle from the upper one."""
    return torch.triu(upper) + torch.triu(upper, 1).T

"""What the solver needs to know about a layer's inputs, gathered over real tokens only.

Tokens are rows: X_d, X_s (tokens, d_in) are the layer's inputs in the dense and in the sparse model, R_d, R_s
(tokens, d_out) the residuals that the layer's output is added to.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True)
class Gram:
    """Running sums over the tokens seen so far.

    H = X_sᵀX_s / n and the drift seen through the layer, C = (X_d Wᵀ + R_d − X_s Wᵀ − R_s)ᵀ X_s / n, which is W(G − H)
    plus the residual's part. Sums are kept in the inputs' precision, the division happens once.
    """

    weight: Tensor  # (d_out, d_in), dense
    tokens: int = 0
    _inputs: Tensor = field(init=False)  # (d_in, d_in)
    _drift: Tensor = field(init=False)  # (d_out, d_in) or, before multiplying by W, (d_in, d_in)
    _moved: bool = False

    def __post_init__(self) -> None:
        rows, width = self.weight.shape
        self._inputs = self.weight.new_zeros(width, width)
        self._drift = self.weight.new_zeros(min(rows, width), width)

    def add(self, sparse: Tensor, dense: Tensor | None, residual_drift: Tensor | None = None) -> None:
        """Add tokens; `dense` None means that nothing drifted. `residual_drift` is R_d − R_s."""
        self.tokens += sparse.shape[0]
        _add_gram(self._inputs, sparse)
        if dense is None:
            return
        self._moved = True
        drift = dense - sparse
        rows, width = self.weight.shape
        if rows <= width:  # cheaper to go through the outputs than to hold a (d_in, d_in) cross Gram
            drift = drift @ self.weight.T
            if residual_drift is not None:
                drift = drift + residual_drift
        elif residual_drift is not None:
            raise ValueError("a residual target needs d_out <= d_in")
        self._drift.addmm_(drift.T, sparse)

    def __add__(self, other: "Gram") -> "Gram":
        """The sums over both sets of tokens."""
        both = Gram(self.weight)
        both.tokens = self.tokens + other.tokens
        both._inputs = self._inputs + other._inputs
        both._drift = self._drift + other._drift
        both._moved = self._moved or other._moved
        return both

    def hessian(self) -> Tensor:
        """H, (d_in, d_in), symmetric."""
        return _mirror(self._inputs) / self.tokens

    def drift(self) -> Tensor | None:
        """C, (d_out, d_in); None when nothing drifted."""
        if not self._moved:
            return None
        rows, width = self.weight.shape
        cross = self._drift / self.tokens
        return cross if rows <= width else self.weight @ cross


def _add_gram(total: Tensor, inputs: Tensor, piece: int = 384) -> None:
    """total += XᵀX, the upper block triangle only: five eighths of the arithmetic at d = 4 pieces."""
    width = total.shape[0]
    for start in range(0, width, piece):
        stop = min(start + piece, width)
        total[start:stop, start:].addmm_(inputs[:, start:stop].T, inputs[:, start:])


def _mirror(upper: Tensor, piece: int = 384) -> Tensor:
    """Fill the lower block triangle from the upper one."""
    return torch.triu(upper) + torch.triu(upper, 1).T

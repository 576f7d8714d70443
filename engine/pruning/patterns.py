"""Where zeros may stand: anywhere in a layer, evenly over its rows, or n of every m neighbours
kept.

A pattern says how many weights of a layer are zero at a sparsity and, given a score for each
weight, which ones. Rows are outputs; neighbours stand next to each other in a row, along the
layer's inputs.
"""

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning.selection import smallest, smallest_of_each


def check_sparsity(sparsity: float) -> float:
    """The sparsity itself. Raises SettingError outside [0, 1)."""
    if not 0 <= sparsity < 1:
        raise SettingError(f"Sparsity {sparsity:g} is outside [0, 1); give a share such as 0.5.")
    return float(sparsity)


def zeros_of(weights: int, sparsity: float) -> int:
    """How many of `weights` are zero at `sparsity`, rounded half up."""
    return int(weights * check_sparsity(sparsity) + 0.5)


@dataclass(frozen=True, slots=True)
class Unstructured:
    """Zeros anywhere in a layer, or with `per_row`, as in P1, int(d_in · s) in every row."""

    per_row: bool = False

    @property
    def name(self) -> str:
        """As in the setting `pattern`."""
        return "row" if self.per_row else "unstructured"

    def check_width(self, layer: str, width: int) -> None:
        """Accepts every width."""

    def check_level(self, sparsity: float) -> float:
        """The sparsity itself. Raises SettingError outside [0, 1)."""
        return check_sparsity(sparsity)

    def row_zeros(self, width: int, sparsity: float) -> int:
        """Zeros in a row of a layer that is pruned row by row."""
        return int(width * check_sparsity(sparsity) + 1e-9)

    def zeros(self, rows: int, width: int, sparsity: float) -> int:
        """Zeros in a layer of that shape."""
        if self.per_row:
            return rows * self.row_zeros(width, sparsity)
        return zeros_of(rows * width, sparsity)

    def removed(self, scores: Tensor, sparsity: float) -> Tensor:
        """The mask of the weights to remove, (d_out, d_in): those of smallest score."""
        if self.per_row:
            return smallest_of_each(scores, self.row_zeros(scores.shape[1], sparsity))
        return smallest(scores, zeros_of(scores.numel(), sparsity))


@dataclass(frozen=True, slots=True)
class NofM:
    """n of every m neighbouring weights of a row are kept; the sparsity is 1 − n/m and nothing
    else.
    """

    n: int
    m: int

    @property
    def name(self) -> str:
        """As in the setting `pattern`."""
        return f"{self.n}:{self.m}"

    @property
    def sparsity(self) -> float:
        """The only sparsity that the pattern has."""
        return 1 - self.n / self.m

    def check_width(self, layer: str, width: int) -> None:
        """Raises SettingError where the groups do not divide a row."""
        if width % self.m:
            raise SettingError(
                f"The pattern {self.name} does not divide the {width} inputs of layer {layer}; "
                "choose an m that divides the widths of the model, or `pattern=unstructured`."
            )

    def check_level(self, sparsity: float) -> float:
        """The sparsity itself. Raises SettingError for one that the pattern cannot reach."""
        if check_sparsity(sparsity) and abs(sparsity - self.sparsity) > 1e-6:
            raise SettingError(
                f"The pattern {self.name} has a sparsity of {self.sparsity:g} and cannot reach "
                f"{sparsity:g}; use `levels=0,{self.sparsity:g}`, or `pattern=unstructured`."
            )
        return float(sparsity)

    def row_zeros(self, width: int, sparsity: float) -> int:
        """Zeros in a row."""
        return width // self.m * (self.m - self.n) if self.check_level(sparsity) else 0

    def zeros(self, rows: int, width: int, sparsity: float) -> int:
        """Zeros in a layer of that shape."""
        return rows * self.row_zeros(width, sparsity)

    def removed(self, scores: Tensor, sparsity: float) -> Tensor:
        """The mask of the weights to remove, (d_out, d_in): the m − n of smallest score in every
        group.
        """
        if self.check_level(sparsity) == 0:
            return torch.zeros_like(scores, dtype=torch.bool)
        return smallest_of_each(scores.reshape(-1, self.m), self.m - self.n).view(scores.shape)


Pattern = Unstructured | NofM


def has_zeros(weights: Tensor, pattern: Pattern, sparsity: float) -> bool:
    """Whether weights (d_out, d_in) already have every zero that the pattern asks for at a
    sparsity, and it asks for some.
    """
    rows, width = weights.shape
    required = pattern.zeros(rows, width, sparsity)
    if not 0 < required <= int((weights == 0).sum()):
        return False
    return not bool(weights[pattern.removed(weights.abs(), sparsity)].any())


PATTERN_NAMES = "unstructured, row, or n:m such as 2:4, 4:8, 32:64"


def pattern_named(name: str) -> Pattern:
    """The pattern called `unstructured`, `row` or `n:m`. Raises SettingError for any other name."""
    if name in ("unstructured", "row"):
        return Unstructured(per_row=name == "row")
    match = re.fullmatch(r"(\d{1,4}):(\d{1,4})", name)
    if not match:
        raise SettingError(f"The pattern {name!r} is unknown; choose {PATTERN_NAMES}.")
    n, m = int(match[1]), int(match[2])
    if not 0 < n < m:
        raise SettingError(
            f"The pattern {name!r} keeps {n} of {m}; n must be at least 1 and less than m, as "
            "in 2:4."
        )
    return NofM(n, m)

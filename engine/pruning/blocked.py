"""SparseGPT's sweep for every pattern, as one recursion over the columns.

A removed weight j of a row leaves the error err_j = w_j / U_jj, and the columns after it move: W[:, j:] −= err_j U[j, j:],
with (H + Λ)⁻¹ = Uᵀ U. Columns are halved until a mask can be chosen and again until few are left, so that nearly all
of the arithmetic is matrix products of half the span. Source: Frantar and Alistarh, SparseGPT, ICML 2023.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import SettingError
from engine.pruning.patterns import NofM, Pattern, check_sparsity, zeros_of
from engine.pruning.selection import smallest, smallest_of_each

BLOCK = 128  # columns whose mask is chosen together, as in SparseGPT
LEAF = 16  # columns solved one by one: below, a matrix product costs more to start than to do
DEVICE_LEAF = 32  # columns solved at once on an accelerator, where d_out · 32² numbers are cheaper than 32 launches

Chooser = Callable[[Tensor, int], Tensor]
"""(scores of a span (columns, d_out), the column after it) → which of them are removed, the same shape."""


def blocked(
    target: Tensor, upper: Tensor, pattern: Pattern, sparsity: float, importance: Tensor | None = None
) -> Tensor:
    """Remove weights of W* (d_out, d_in) by the smallest (w_j / U_jj)² · importance, each with its best compensation.

    `upper` is U (d_in, d_in); `importance` (d_out,) or None for all alike. A mask is chosen once the errors of all earlier
    masks have arrived: per 128 columns, or per group of an N:M pattern, whose share of zeros replaces `sparsity`.
    """
    width = target.shape[1]
    unit, choose = _chooser(pattern, sparsity, len(target), width)
    weights = target.T.clone(memory_format=torch.contiguous_format)  # columns as rows: every step touches whole lines
    sweep = _Sweep(
        weights, upper, torch.empty_like(weights), torch.empty_like(weights, dtype=torch.bool),
        upper.diagonal().reciprocal().unsqueeze(1), importance, unit, choose,
    )  # fmt: skip
    sweep.span(0, width)
    return weights.masked_fill_(sweep.removed, 0.0).T.contiguous()


def _chooser(pattern: Pattern, sparsity: float, rows: int, width: int) -> tuple[int, Chooser]:
    """How many columns get their mask together, and how."""
    if isinstance(pattern, NofM):
        if width % pattern.m:
            raise SettingError(f"The pattern {pattern.n}:{pattern.m} needs a multiple of {pattern.m} inputs, not {width}.")
        out = pattern.m - pattern.n
        return pattern.m, lambda scores, stop: smallest_of_each(scores.T, out).T
    total = int(width * check_sparsity(sparsity) + 1e-9) if pattern.per_row else zeros_of(rows * width, sparsity)

    def choose(scores: Tensor, stop: int) -> Tensor:
        due = round(total * stop / width) - round(total * (stop - len(scores)) / width)
        return (smallest_of_each if pattern.per_row else smallest)(scores.T, due).T

    return BLOCK, choose


@dataclass(slots=True)
class _Sweep:
    """What the recursion shares; all (d_in, d_out) but `upper`, and filled from the first column on."""

    weights: Tensor
    upper: Tensor
    errors: Tensor
    removed: Tensor
    inverse: Tensor  # 1 / diag U, (d_in, 1)
    importance: Tensor | None
    unit: int
    choose: Chooser

    def span(self, start: int, stop: int, chosen: bool = False) -> None:
        """Sweep the columns [start, stop), to which all errors from before `start` have come."""
        if not chosen and stop - start <= self.unit:
            self.mark(start, stop)
            chosen = True
        leaf = LEAF if self.weights.device.type == "cpu" else DEVICE_LEAF
        if chosen and stop - start <= leaf:
            (self.columns if self.weights.device.type == "cpu" else self.together)(start, stop)
            return
        step = leaf if chosen else self.unit
        middle = start + (stop - start + step) // (2 * step) * step
        self.span(start, middle, chosen)
        self.weights[middle:stop].addmm_(self.upper[start:middle, middle:stop].T, self.errors[start:middle], alpha=-1)
        self.span(middle, stop, chosen)

    def mark(self, start: int, stop: int) -> None:
        """Choose what leaves among the columns [start, stop)."""
        scores = (self.weights[start:stop] * self.inverse[start:stop]).square_()
        if self.importance is not None:
            scores *= self.importance
        self.removed[start:stop] = self.choose(scores, stop)

    def columns(self, start: int, stop: int) -> None:
        """Column by column; each gathers what those before it in the leaf left."""
        scale = (self.removed[start:stop] * self.inverse[start:stop]).unbind()
        upper = self.upper[start:stop, start:stop].T.contiguous()
        weights, errors = self.weights[start:stop].unbind(), self.errors[start:stop]
        lines = errors.unbind()
        for j, column in enumerate(weights):
            if j:
                column.addmv_(errors[:j].T, upper[j, :j], alpha=-1)
            torch.mul(column, scale[j], out=lines[j])

    def together(self, start: int, stop: int) -> None:
        """All columns at once: e D⁻¹ (D + N M) = w M per row, N the strict upper part of U, D its diagonal, M the mask."""
        upper = self.upper[start:stop, start:stop] * self.inverse[start:stop]
        kept = self.removed[start:stop].T.to(upper.dtype)  # (d_out, columns)
        weights = self.weights[start:stop].T
        left = torch.linalg.solve_triangular(
            upper * kept.unsqueeze(1), (weights * kept).unsqueeze(1), upper=True, left=False, unitriangular=True
        ).squeeze(1)
        self.errors[start:stop] = left.T * self.inverse[start:stop]

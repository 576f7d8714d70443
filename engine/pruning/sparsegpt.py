"""SparseGPT's sweep for every pattern, as one recursion over the columns.

A removed weight j of a row leaves the error err_j = w_j / U_jj, and the columns after it move:
W[:, j:] −= err_j U[j, j:], with (H + Λ)⁻¹ = Uᵀ U. Columns are halved until a mask can be chosen and
again until few are left, so that nearly all of the arithmetic is matrix products of half the span.
Source: Frantar and Alistarh, SparseGPT, ICML 2023.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning.patterns import NofM, Pattern, zeros_of
from prunescope.engine.pruning.selection import smallest, smallest_of_each

BLOCK = 128  # columns whose mask is chosen together, as in SparseGPT
LEAF = 16  # columns solved one by one: below, a matrix product costs more to start than to do
# columns solved at once on an accelerator, where d_out · 32² numbers are cheaper than 32 launches
DEVICE_LEAF = 32

Chooser = Callable[[Tensor, int], Tensor]
"""(scores of a span (d_out, columns), the column after it) → the mask of those to remove."""


def sweep(
    target: Tensor,
    upper: Tensor,
    pattern: Pattern,
    sparsity: float,
    importance: Tensor | None = None,
) -> Tensor:
    """Remove the weights of W* (d_out, d_in) with the smallest (w_j / U_jj)² · importance, each
    with its optimal compensation in the columns after it.

    `upper` is U (d_in, d_in); `importance` is (d_out,), or None where outputs count alike. A mask
    is chosen once the errors of all earlier masks have been applied: per 128 columns, or per group
    of an n:m pattern, whose share of zeros replaces `sparsity`.
    """
    return _sweep_columns(target, upper, importance, *_chooser(pattern, sparsity, *target.shape))


def sweep_many(
    targets: Sequence[Tensor],
    upper: Tensor,
    sparsities: Sequence[float],
    importance: Sequence[Tensor],
) -> list[Tensor]:
    """`sweep` every target, unstructured, to its own sparsity, in one sweep over the rows of all.

    The targets share their inputs and choose their masks separately. On an accelerator, where
    starting a step takes longer than its arithmetic, this costs about as much as one target.
    """
    rows, width = [len(target) for target in targets], len(upper)
    totals = [
        zeros_of(target.numel(), sparsity)
        for target, sparsity in zip(targets, sparsities, strict=True)
    ]

    def choose(scores: Tensor, stop: int) -> Tensor:
        parts = zip(scores.split(rows), totals, strict=True)
        return torch.cat(
            [smallest(part, _due(total, width, stop, part.shape[1])) for part, total in parts]
        )

    stacked, weights = torch.cat(list(targets)), torch.cat(list(importance))
    return list(_sweep_columns(stacked, upper, weights, BLOCK, choose).split(rows))


def _sweep_columns(
    target: Tensor, upper: Tensor, importance: Tensor | None, unit: int, choose: Chooser
) -> Tensor:
    # columns are stored as rows, so that every step reads and writes contiguous memory
    weights = target.T.clone(memory_format=torch.contiguous_format)
    inverse, errors = upper.diagonal().reciprocal().unsqueeze(1), torch.empty_like(weights)
    recursion = _Sweep(weights, errors, upper, inverse, importance, unit, choose)
    recursion.choose_and_solve(0, len(upper))
    return weights.T.contiguous()


def _due(total: int, width: int, stop: int, columns: int) -> int:
    """How many of a layer's `total` zeros belong to the `columns` before `stop`."""
    return round(total * stop / width) - round(total * (stop - columns) / width)


def _chooser(pattern: Pattern, sparsity: float, rows: int, width: int) -> tuple[int, Chooser]:
    """How many columns get their mask together, and how."""
    if isinstance(pattern, NofM):
        if width % pattern.m:
            raise SettingError(
                f"The pattern {pattern.name} needs a multiple of {pattern.m} inputs, not {width}."
            )
        removed = pattern.m - pattern.n
        return pattern.m, lambda scores, stop: smallest_of_each(scores, removed)
    per_row = pattern.per_row
    total = pattern.row_zeros(width, sparsity) if per_row else pattern.zeros(rows, width, sparsity)

    def choose(scores: Tensor, stop: int) -> Tensor:
        due = _due(total, width, stop, scores.shape[1])
        return smallest_of_each(scores, due) if per_row else smallest(scores, due)

    return BLOCK, choose


def _middle(start: int, stop: int, step: int) -> int:
    """Where to halve [start, stop), a whole number of steps from its start."""
    return start + (stop - start + step) // (2 * step) * step


@dataclass(frozen=True, slots=True)
class _Sweep:
    """The sweep as a recursion over spans of columns; all fields are shared by its calls."""

    weights: Tensor  # (d_in, d_out), final up to the last column solved
    errors: Tensor  # (d_in, d_out), filled up to the last column solved
    upper: Tensor
    inverse: Tensor  # 1 / diag U, (d_in, 1)
    importance: Tensor | None
    unit: int
    choose: Chooser

    def choose_and_solve(self, start: int, stop: int) -> None:
        """Choose masks and solve for the columns [start, stop). The errors of all columns before
        `start` have been applied to them.
        """
        if stop - start > self.unit:
            middle = _middle(start, stop, self.unit)
            self.choose_and_solve(start, middle)
            self.carry(start, middle, stop)
            self.choose_and_solve(middle, stop)
            return
        weights = self.weights[start:stop]
        scores = (weights * self.inverse[start:stop]).square_()
        if self.importance is not None:
            scores *= self.importance
        mask = self.choose(scores.T, stop).T.to(weights.dtype)
        self.solve(start, stop, mask * self.inverse[start:stop])
        # w − w is zero, and masked_fill_ takes ten times as long
        weights.addcmul_(weights, mask, value=-1)

    def solve(self, start: int, stop: int, scale: Tensor) -> None:
        """Compute the errors of [start, stop). `scale` (columns, d_out) is 1 / U_jj where a weight
        is removed, else 0.
        """
        on_cpu = self.weights.device.type == "cpu"
        leaf = LEAF if on_cpu else DEVICE_LEAF
        if stop - start <= leaf:
            (self.solve_by_column if on_cpu else self.solve_at_once)(start, stop, scale)
            return
        middle = _middle(start, stop, leaf)
        self.solve(start, middle, scale[: middle - start])
        self.carry(start, middle, stop)
        self.solve(middle, stop, scale[middle - start :])

    def carry(self, start: int, middle: int, stop: int) -> None:
        """Apply the errors of [start, middle) to the columns up to `stop`."""
        self.weights[middle:stop].addmm_(
            self.upper[start:middle, middle:stop].T, self.errors[start:middle], alpha=-1
        )

    def solve_by_column(self, start: int, stop: int, scale: Tensor) -> None:
        """Solve a leaf column by column; each first applies the errors of those before it."""
        errors, gather = self.errors[start:stop], self.errors[start:stop].T
        upper = self.upper[start:stop, start:stop].T.contiguous().unbind()
        columns = zip(
            self.weights[start:stop].unbind(), scale.unbind(), errors.unbind(), upper, strict=True
        )
        for j, (weights, factor, out, coefficients) in enumerate(columns):
            if j:
                weights.addmv_(gather.narrow(1, 0, j), coefficients.narrow(0, 0, j), alpha=-1)
            torch.mul(weights, factor, out=out)

    def solve_at_once(self, start: int, stop: int, scale: Tensor) -> None:
        """Solve a leaf in one batch: err = w S (I + N S)⁻¹ for each row, with S = diag(scale) and N
        the strict upper part of U.
        """
        scale = scale.T.unsqueeze(1)  # (d_out, 1, columns)
        systems = self.upper[start:stop, start:stop] * scale  # the diagonal is not read
        removed = self.weights[start:stop].T.unsqueeze(1) * scale
        errors = torch.linalg.solve_triangular(
            systems, removed, upper=True, left=False, unitriangular=True
        )
        self.errors[start:stop] = errors.squeeze(1).T

"""Optimal Brain Compression: every row loses its weights one at a time, each time the cheapest one.

With A the inverse Hessian over a row's remaining columns, one step is p = argmin w_j²/A_jj, w ← w
− (w_p/A_pp) A_p, A ← A − A_p A_pᵀ/A_pp. Source: Frantar, Singh and Alistarh, Optimal Brain
Compression (ExactOBS), NeurIPS 2022.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from prunescope.engine.errors import SettingError

BLOCK = 128  # steps whose downdates wait for one matrix product
# the inverses are copied to the remaining columns once these are a smaller share of those stored
SHRINK = 0.86
MEMORY = {"cpu": 2**27, "cuda": 2**32}  # bytes of inverses at a time


def _nothing() -> None:
    """Do nothing, in place of a progress report."""


def remove_one_by_one(
    target: Tensor,
    inverse: Tensor,
    per_row: int,
    group: tuple[int, int] | None = None,
    report: Callable[[], None] = _nothing,
) -> Tensor:
    """Remove `per_row` weights from every row, one at a time, each with its optimal compensation.

    `target` W* (d_out, d_in), `inverse` (H + Λ)⁻¹ (d_in, d_in), symmetric. `group` (n, m) keeps
    exactly n of every m consecutive weights, so that `per_row` must be d_in (m − n)/m. Ties go to
    the lowest position. The remaining weights of a row, on its support S, minimise
    (w* − w)ᵀ(H + Λ)(w* − w) over the vectors on S. `report` is called after every block of steps;
    what it raises ends the work. Raises SettingError where `per_row` and `group` do not fit d_in.
    """
    rows, width = target.shape
    if not 0 <= per_row <= width:
        raise SettingError(f"{per_row} zeros do not fit a row of {width} weights.")
    if group is not None:
        keep, size = group
        if (
            not 0 <= keep <= size
            or size < 1
            or width % size
            or per_row * size != width * (size - keep)
        ):
            raise SettingError(
                f"{keep} of every {size} does not leave {per_row} zeros in a row of {width} "
                "weights."
            )
    if per_row in (0, width):
        return target.clone() if per_row == 0 else torch.zeros_like(target)
    at_once = MEMORY.get(target.device.type, MEMORY["cpu"]) // (
        width * width * target.element_size()
    )
    at_once = max(1, min(rows, at_once))
    # reused by all batches: the first touch of memory takes as long as a flush
    space = target.new_empty(at_once * width * width)
    lines = target.new_empty(at_once * min(BLOCK, per_row) * width)
    parts = [
        _RowBatch(part, inverse, group, space, lines).remove(per_row, report)
        for part in target.split(at_once)
    ]
    return torch.cat(parts)


class _RowBatch:
    """Rows that are pruned together, over the c columns that each still stores: the remaining ones,
    and some just removed.

    The inverse of a row is base − VᵀV: `base` (rows, c, c) as of the last flush, V (rows, steps
    since, c) with a line v = A_p/√A_pp for every step since, so that a step is w ← w − (w_p/√A_pp)
    v and A_jj ← A_jj − v_j². It reads one line of the base and the lines of V, and the base itself
    is read and written once in BLOCK steps.
    """

    def __init__(
        self,
        target: Tensor,
        inverse: Tensor,
        group: tuple[int, int] | None,
        space: Tensor,
        lines: Tensor,
    ) -> None:
        rows, self.width = target.shape
        self.space, self.lines = space, lines  # where `base` and V lie
        self.every = torch.arange(rows, device=target.device)
        # the original index of each stored column
        self.columns = torch.arange(self.width, device=target.device).repeat(rows, 1)
        self.weights = target.clone()
        self.base = inverse.expand(rows, -1, -1)  # the caller's, shared until the first flush
        self.owned = False
        self.diagonal = inverse.diagonal().repeat(rows, 1)
        # A diagonal entry falls to 1/H_jj at the least. Below this floor it is rounding error, and
        # its root and sign mean nothing
        limits = torch.finfo(target.dtype)
        self.floor = self.diagonal.clamp_min(limits.tiny) * limits.eps
        # infinite where a weight is removed, or its group may lose no more
        self.closed = torch.zeros_like(target)
        self.removed_mask = torch.zeros_like(target, dtype=torch.bool)
        self.removed = 0
        keep, size = group or (0, self.width)  # without groups the row is one, and may lose all
        self.grouped = group is not None
        self.home = self.columns // size  # the group of each column
        # how many weights each group may still lose
        self.spare = self.columns.new_full((rows, self.width // size), size - keep)

    def remove(self, count: int, report: Callable[[], None]) -> Tensor:
        """Remove `count` weights from each row and return the rows (rows, d_in)."""
        while self.removed < count:
            rows, stored = self.weights.shape
            steps = min(BLOCK, count - self.removed)
            fresh = self.lines[: rows * steps * stored].view(rows, steps, stored)
            for step in range(steps):
                self._step(fresh, step)
            self.removed += steps
            if self.removed < count:
                self._flush(fresh)
            report()
        left = self.weights.masked_fill(self.removed_mask, 0.0)
        return left.new_zeros(len(left), self.width).scatter_(1, self.columns, left)

    def _step(self, fresh: Tensor, step: int) -> None:
        """Remove the cheapest weight of each row; `fresh[:, step]` receives its v. Nothing here
        waits for the device.
        """
        scores = torch.addcdiv(self.closed, self.weights.square(), self.diagonal)
        pivot = scores.argmin(dim=1, keepdim=True)  # the first of equals
        line = self.base[self.every, pivot[:, 0]]
        if step:
            past = fresh[:, :step]
            at = past.gather(2, pivot[:, None].expand(-1, step, 1))
            line = torch.baddbmm(line[:, None], at.mT, past, alpha=-1)[:, 0]
        # A_pp of the line itself, not of the running diagonal: less is lost to float32 where H is
        # nearly singular
        root = torch.maximum(line.gather(1, pivot), self.floor.gather(1, pivot)).sqrt()
        # |A_pj| ≤ √(A_pp A_jj): a breach is rounding, and would grow from step to step
        roots = self.diagonal.sqrt()
        ahead = torch.clamp(line / root, -roots, roots, out=fresh[:, step])
        self.weights.addcmul_(ahead, self.weights.gather(1, pivot) / root, value=-1)
        torch.maximum(self.diagonal.addcmul_(ahead, ahead, value=-1), self.floor, out=self.diagonal)
        self.removed_mask.scatter_(1, pivot, True)
        self.closed.scatter_(1, pivot, torch.inf)
        if self.grouped:
            inside = self.home.gather(1, pivot)
            spare = self.spare.gather(1, inside) - 1
            self.spare.scatter_(1, inside, spare)
            self.closed.masked_fill_((self.home == inside) & (spare == 0), torch.inf)

    def _flush(self, fresh: Tensor) -> None:
        """Apply the steps since the last flush to the base; drop the removed columns once they are
        many.
        """
        rows, stored = self.weights.shape
        left = self.width - self.removed
        if self.owned and left >= SHRINK * stored:
            self.base.baddbmm_(fresh.mT, fresh, alpha=-1)
            return
        remaining = (~self.removed_mask).nonzero()[:, 1].view(rows, left)
        smaller = self.space[: rows * left * left].view(rows, left, left)
        for whole, index, part in zip(self.base, remaining, smaller, strict=True):
            # In the memory of `base`: each part ends before the rows that are still to be read
            torch.gather(whole.index_select(0, index), 1, index.expand(left, -1), out=part)
        fresh = fresh.gather(2, remaining[:, None].expand(-1, fresh.shape[1], -1))
        self.base, self.owned = smaller.baddbmm_(fresh.mT, fresh, alpha=-1), True
        for name in ("columns", "weights", "diagonal", "floor", "closed", "removed_mask", "home"):
            setattr(self, name, getattr(self, name).gather(1, remaining))

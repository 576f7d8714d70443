"""Exact greedy Optimal Brain Surgeon: every row loses its weights one at a time, each the cheapest that is left.

With A the inverse Hessian over the columns a row still has, one step is p = argmin w_j²/A_jj, w ← w − (w_p/A_pp) A_p,
A ← A − A_p A_pᵀ/A_pp. Source: Frantar and Alistarh, Optimal Brain Compression (ExactOBS), NeurIPS 2022.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.errors import SettingError

BLOCK = 64  # steps whose downdates wait for one matrix product: V is then small enough to stay in cache
SHRINK = 0.9  # the inverse is copied to the columns that are left once they are fewer than this share
MEMORY = {"cpu": 2**28, "cuda": 2**32}  # bytes of the inverses that are held at a time


def _nothing() -> None:
    """Report to nobody."""


def exact(
    target: Tensor,
    inverse: Tensor,
    per_row: int,
    group: tuple[int, int] | None = None,
    report: Callable[[], None] = _nothing,
) -> Tensor:
    """Remove `per_row` weights from every row, one at a time, and let the others make up for each.

    `target` W* (d_out, d_in), `inverse` (H + Λ)⁻¹ (d_in, d_in), symmetric. `group` (n, m) keeps exactly n of every m
    consecutive weights, so that `per_row` must be d_in (m − n)/m. Ties go to the lowest position. The survivors of a
    row S minimise (w* − w)ᵀ(H + Λ)(w* − w) over the vectors on S. `report` is called after every block of steps; what
    it raises ends the work. Raises SettingError where `per_row` and `group` do not fit d_in.
    """
    rows, width = target.shape
    if not 0 <= per_row <= width:
        raise SettingError(f"{per_row} zeros do not fit a row of {width} weights.")
    if group is not None:
        keep, size = group
        if not 0 <= keep <= size or size < 1 or width % size or per_row * size != width * (size - keep):
            raise SettingError(f"{keep} of every {size} does not leave {per_row} zeros in a row of {width} weights.")
    if per_row in (0, width):
        return target.clone() if per_row == 0 else torch.zeros_like(target)
    result = torch.zeros_like(target)
    together = max(1, MEMORY.get(target.device.type, MEMORY["cpu"]) // (width * width * target.element_size()))
    for some in torch.arange(rows, device=target.device).split(together):
        result[some] = _Rows(target[some], inverse, group).remove(per_row, report)
    return result


class _Rows:
    """The state of rows that are worked on together, over the c columns (not yet compacted away) that each holds.

    The inverse of a row is base − VᵀV: `base` (rows, c, c) as of the last flush, `fresh` V (rows, BLOCK, c) with
    v = A_p/√A_pp of the steps since. Then w ← w − (w_p/√A_pp) v and A_jj ← A_jj − v_j².
    """

    def __init__(self, target: Tensor, inverse: Tensor, group: tuple[int, int] | None) -> None:
        self.shape = target.shape
        rows, width = target.shape
        self.every = torch.arange(rows, device=target.device)
        self.columns = torch.arange(width, device=target.device).repeat(rows, 1)  # where each held column comes from
        self.weights = target.clone()
        self.base = inverse.expand(rows, width, width)  # one for all rows until the first flush
        self.diagonal = inverse.diagonal().repeat(rows, 1)
        # Rounding may carry a diagonal of a near-singular inverse below zero, where it has no meaning
        self.floor = self.diagonal * torch.finfo(target.dtype).eps
        self.closed = torch.zeros_like(target)  # infinite where a weight is gone, or its group may lose no more
        self.gone = torch.zeros_like(target, dtype=torch.bool)
        self.group = group
        self.removed = 0
        if group is not None:
            self.spare = self.columns.new_full((rows, width // group[1]), group[1] - group[0])

    def remove(self, count: int, report: Callable[[], None]) -> Tensor:
        """Remove `count` weights from each row and return the rows (rows, d_in)."""
        while self.removed < count:
            steps = min(BLOCK, count - self.removed)
            fresh = self.weights.new_empty(len(self.every), steps, self.weights.shape[1])
            for step in range(steps):
                self._step(fresh, step)
            self.removed += steps
            if self.removed < count:
                self._flush(fresh)
            report()
        return self.weights.new_zeros(self.shape).scatter_(1, self.columns, self.weights.masked_fill(self.gone, 0.0))

    def _step(self, fresh: Tensor, step: int) -> None:
        """Remove the cheapest weight of each row; `fresh[:, step]` receives its v."""
        scores = torch.addcdiv(self.closed, self.weights.square(), self.diagonal)
        pivot = scores.argmin(dim=1, keepdim=True)
        line = self.base[self.every, pivot[:, 0]]
        if step:
            past = fresh[:, :step]
            at = past.gather(2, pivot[:, None].expand(-1, step, 1))
            line = torch.baddbmm(line[:, None], at.mT, past, alpha=-1)[:, 0]
        root = self.diagonal.gather(1, pivot).sqrt()
        ahead = torch.div(line, root, out=fresh[:, step])
        self.weights.addcmul_(ahead, self.weights.gather(1, pivot) / root, value=-1)
        torch.maximum(self.diagonal.addcmul_(ahead, ahead, value=-1), self.floor, out=self.diagonal)
        self.gone.scatter_(1, pivot, True)
        self.closed.scatter_(1, pivot, torch.inf)
        if self.group is not None:
            size = self.group[1]
            inside = self.columns.gather(1, pivot) // size
            self.spare.scatter_add_(1, inside, torch.full_like(inside, -1))
            full = (self.columns // size == inside) & (self.spare.gather(1, inside) == 0)
            self.closed.masked_fill_(full, torch.inf)

    def _flush(self, fresh: Tensor) -> None:
        """Carry the waiting steps into the inverses, and let go of the columns that are gone once they are many."""
        rows, held = self.weights.shape
        left = self.shape[1] - self.removed
        if left >= SHRINK * held:
            if self.base.stride(0):
                self.base.baddbmm_(fresh.mT, fresh, alpha=-1)
            else:
                self.base = torch.baddbmm(self.base, fresh.mT, fresh, alpha=-1)
            return
        alive = (~self.gone).nonzero()[:, 1].view(rows, left)
        fresh = fresh.gather(2, alive[:, None].expand(-1, fresh.shape[1], -1))
        if self.base.stride(0):
            space = self.base.view(-1)[: rows * left * left].view(rows, left, left)
        else:
            space = fresh.new_empty(rows, left, left)
        for row, (whole, index) in enumerate(zip(self.base, alive, strict=True)):  # in place: a row ends before the next begins
            space[row] = whole.index_select(0, index).gather(1, index.expand(left, left))
        self.base = space.baddbmm_(fresh.mT, fresh, alpha=-1)
        kept = (self.columns, self.weights, self.diagonal, self.floor, self.closed)
        self.columns, self.weights, self.diagonal, self.floor, self.closed = (each.gather(1, alive) for each in kept)
        self.gone = torch.zeros_like(self.closed, dtype=torch.bool)

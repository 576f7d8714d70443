"""Exact selection of the smallest scores, ties broken by position."""

import numpy as np
import torch
from torch import Tensor


def smallest(scores: Tensor, count: int) -> Tensor:
    """Boolean mask of the `count` smallest of all scores, ties in row-major order; the shape of `scores`."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    dense = scores if scores.is_contiguous() else scores.T  # the edge does not depend on the order
    mask = scores <= _edges(dense.reshape(1, -1), count)
    extra = int(torch.count_nonzero(mask)) - count
    if extra:
        mask = _first(scores.reshape(1, -1), count).view(scores.shape)
    return mask


def smallest_of_each(scores: Tensor, count: int) -> Tensor:
    """Boolean mask (rows, columns) of the `count` smallest scores of every row, ties from the left."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    if scores.device.type != "cpu":
        return _first(scores, count)  # nothing to read back, so the device is never waited for
    mask = scores <= _edges(scores, count)
    wrong = mask.sum(dim=1) != count
    if bool(wrong.any()):
        mask[wrong] = _first(scores[wrong], count)
    return mask


def _edges(scores: Tensor, count: int) -> Tensor:
    """(rows, 1): the count-th smallest score of every row."""
    if scores.device.type == "cpu":  # NumPy's vectorised quickselect: a tenth of the time of torch.kthvalue
        part = np.partition(scores.detach().numpy(), count - 1, axis=1)[:, count - 1 : count]
        return torch.from_numpy(part)
    return scores.sort(dim=1).values[:, count - 1 : count]


def _first(scores: Tensor, count: int) -> Tensor:
    """The mask by a stable sort of every row."""
    order = scores.argsort(dim=1, stable=True)[:, :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, order, True)

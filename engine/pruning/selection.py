"""Exact selection of the smallest scores, ties broken by position."""

import numpy as np
import torch
from torch import Tensor


def smallest(scores: Tensor, count: int) -> Tensor:
    """Boolean mask of the `count` smallest of all scores, ties in row-major order; the shape of
    `scores`.
    """
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    if scores.device.type != "cpu":
        return _sorted(scores.reshape(1, -1), count).view(scores.shape)
    values = scores.detach().numpy()
    # The threshold is the same in any order, and the order of memory needs no copy
    flat = values.ravel(order="K")
    # vectorised: a tenth of the time of torch.kthvalue
    mask = values <= np.partition(flat, count - 1)[count - 1]
    if np.count_nonzero(mask) != count:
        return _sorted(scores.reshape(1, -1), count).view(scores.shape)
    return torch.from_numpy(mask)


def smallest_of_each(scores: Tensor, count: int) -> Tensor:
    """Boolean mask (rows, columns) of the `count` smallest of every row, ties from the left."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    if scores.device.type != "cpu":
        return _sorted(scores, count)
    values = scores.detach().numpy()
    mask = torch.from_numpy(values <= np.partition(values, count - 1, axis=1)[:, count - 1 : count])
    if int(torch.count_nonzero(mask)) != len(scores) * count:
        wrong = mask.sum(dim=1) != count
        mask[wrong] = _sorted(scores[wrong], count)
    return mask


def _sorted(scores: Tensor, count: int) -> Tensor:
    """The mask of every row by a stable sort, which needs no value read back from the device."""
    order = scores.argsort(dim=1, stable=True)[:, :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, order, True)

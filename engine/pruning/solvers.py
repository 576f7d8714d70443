"""Turn target weights into sparse weights: which to remove, and what the others become.

All take W* (d_out, d_in) and remove exactly `zeros_of(W*, sparsity)` weights.
"""

import torch
from torch import Tensor

from engine.errors import SettingError
from engine.pruning.targets import Factor

BLOCK = 128  # columns whose mask is chosen together, as in SparseGPT
MICRO = 32  # columns updated one by one before a matrix product carries their error on


def check_sparsity(sparsity: float) -> float:
    """The sparsity itself. Raises SettingError outside [0, 1)."""
    if not 0 <= sparsity < 1:
        raise SettingError(f"Sparsity {sparsity:g} is outside [0, 1); give a share such as 0.5.")
    return float(sparsity)


def zeros_of(weights: int, sparsity: float) -> int:
    """How many of `weights` are zero at `sparsity`, rounded half up."""
    return int(weights * check_sparsity(sparsity) + 0.5)


def smallest(scores: Tensor, count: int) -> Tensor:
    """Boolean mask of the `count` smallest scores, ties broken by position."""
    flat = scores.reshape(-1)
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    edge = torch.kthvalue(flat, count).values  # linear time; a full sort takes four times as long
    mask = flat < edge
    ties = (flat == edge).nonzero().view(-1)
    mask[ties[: count - int(mask.sum())]] = True
    return mask.view_as(scores)


def magnitude(target: Tensor, sparsity: float) -> Tensor:
    """Remove the weights of smallest magnitude, leave the others."""
    return target.masked_fill(smallest(target.abs(), zeros_of(target.numel(), sparsity)), 0.0)


def blocked(target: Tensor, factor: Factor, sparsity: float) -> Tensor:
    """SparseGPT's sweep: per block of columns remove the smallest w²/U_jj², spread each error over later columns.

    err_j = w_j / U_jj for a removed weight, W[:, j:] −= err_j U[j, j:]. The mask of a block is chosen over all rows,
    after the errors of earlier blocks have arrived. Source: Frantar and Alistarh, ICML 2023.
    """
    width = target.shape[1]
    total = zeros_of(target.numel(), sparsity)
    weights = target.clone()
    done = 0
    for start in range(0, width, BLOCK):
        stop = min(start + BLOCK, width)
        due = round(total * stop / width) - done
        done += due
        scores = (weights[:, start:stop] / factor.upper.diagonal()[start:stop]).square()
        errors = _sweep(weights[:, start:stop], smallest(scores, due), factor.upper[start:stop, start:stop])
        weights[:, stop:] -= errors @ factor.upper[start:stop, stop:]
    return weights


def _sweep(weights: Tensor, removed: Tensor, upper: Tensor) -> Tensor:
    """Sweep one block in place and return its errors (d_out, columns)."""
    columns = weights.shape[1]
    errors = torch.zeros_like(weights)
    for start in range(0, columns, MICRO):
        stop = min(start + MICRO, columns)
        piece = weights[:, start:stop].T.contiguous()  # columns as rows: each step reads and writes whole lines
        cut = removed[:, start:stop].T
        local = torch.zeros_like(piece)
        for j in range(stop - start):
            local[j] = piece[j] * cut[j] / upper[start + j, start + j]
            piece[j:].addr_(upper[start + j, start + j : stop], local[j], alpha=-1)
        piece.masked_fill_(cut, 0.0)
        weights[:, start:stop] = piece.T
        errors[:, start:stop] = local.T
        weights[:, stop:] -= errors[:, start:stop] @ upper[start:stop, stop:]
    return errors


def refit(weights: Tensor, target: Tensor, hessian: Tensor, steps: int) -> Tensor:
    """Improve the survivors for their mask: conjugate gradients on ‖(W* − Ŵ)(H + Λ)^½‖² over the support, row by row.

    Preconditioned by the diagonal; `steps` products with H. The loss never rises from one step to the next.
    """
    support = weights != 0
    scale = 1.0 / hessian.diagonal()
    residual = ((target - weights) @ hessian) * support
    towards = residual * scale
    size = (residual * towards).sum(dim=1, keepdim=True)
    for _ in range(steps):
        ahead = (towards @ hessian) * support
        step = size / (towards * ahead).sum(dim=1, keepdim=True).clamp_min(1e-30)
        weights = weights + step * towards
        residual = residual - step * ahead
        turned = residual * scale
        size_after = (residual * turned).sum(dim=1, keepdim=True)
        towards = turned + size_after / size.clamp_min(1e-30) * towards
        size = size_after
    return torch.where(support, weights, 0.0)

"""Pruned weights in a few bits each: `<name>.bitmap`, one bit a weight, says which remain, and
`<name>.codes` and `<name>.rows` say what they are.

The remaining weights of a row are rounded to a sign and one of 2^(bits − 1) magnitudes, equally far
apart from the row's smallest to its largest: |w| ≈ low + m · step. None is rounded to zero, so the
sparsity stays exact; the smallest of a row stays as it is, the largest but for its last bit.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FEWEST, MOST = 2, 16  # bits a remaining weight


def pack_few(name: str, weight: Tensor, bits: int) -> dict[str, Tensor]:
    """One matrix with its remaining weights in `bits` bits each, the sign included."""
    if not FEWEST <= bits <= MOST:
        raise ValueError(f"{bits} bits a weight; use {FEWEST} to {MOST}")
    matrix = weight.detach().cpu().float()
    remains = matrix != 0
    low, step = _levels(matrix, remains, bits)
    rows = remains.nonzero()[:, 0]
    remaining = matrix[remains].double()
    steps = torch.where(step > 0, step, 1.0).double()[rows]
    magnitudes = ((remaining.abs() - low.double()[rows]) / steps).round()
    magnitudes = magnitudes.clamp(0, _highest(bits)).int()
    codes = magnitudes + (remaining < 0).int() * (1 << (bits - 1))
    return {
        f"{name}.bitmap": torch.from_numpy(np.packbits(remains.numpy())),
        f"{name}.codes": torch.from_numpy(_joined(codes.numpy(), bits)),
        f"{name}.rows": torch.stack([low, step]),
    }


def unpack_few(packed: Mapping[str, Tensor], name: str, shape: torch.Size, bits: int) -> Tensor:
    """The matrix that `pack_few` rounded. Raises ValueError where its parts do not fit."""
    bitmap, stored, scales = (packed[f"{name}.{part}"] for part in ("bitmap", "codes", "rows"))
    count = math.prod(shape)
    if bitmap.shape != (-(-count // 8),) or scales.shape != (2, shape[0]):
        raise ValueError(f"{name} is stored for another shape than {tuple(shape)}")
    remains = torch.from_numpy(np.unpackbits(bitmap.numpy(), count=count)).bool().view(shape)
    rows = remains.nonzero()[:, 0]
    if stored.shape != (-(-len(rows) * bits // 8),):
        raise ValueError(f"{name} has codes for another number of remaining weights")
    codes = torch.from_numpy(_divided(stored.numpy(), len(rows), bits))
    half, (low, step) = 1 << (bits - 1), scales
    # Two roundings in this order on every machine: addcmul might fuse them.
    values = (codes % half).float() * step[rows]
    values += low[rows]
    matrix = torch.zeros(shape)
    matrix[remains] = torch.where(codes >= half, -values, values)
    return matrix


def _highest(bits: int) -> int:
    """The highest magnitude's number."""
    return int((1 << (bits - 1)) - 1)


def _levels(matrix: Tensor, remains: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """(the smallest magnitude of each row, the distance between two); both 0 in an empty row."""
    magnitudes = matrix.abs()
    high = magnitudes.amax(dim=1)
    low = torch.where(remains, magnitudes, math.inf).amin(dim=1).minimum(high)
    return low, (high - low) / max(_highest(bits), 1)


def _joined(codes: NDArray[np.int32], bits: int) -> NDArray[np.uint8]:
    """Codes as a stream of bits, the highest bit of each first."""
    shifts = np.arange(bits - 1, -1, -1)
    return np.packbits((codes[:, None] >> shifts & 1).astype(np.uint8))


def _divided(stream: NDArray[np.uint8], count: int, bits: int) -> NDArray[np.int32]:
    """The codes in a stream of bits."""
    digits = np.unpackbits(stream, count=count * bits).reshape(count, bits)
    codes = np.zeros(count, np.int32)
    for digit in digits.T:
        codes = codes << 1 | digit
    return codes

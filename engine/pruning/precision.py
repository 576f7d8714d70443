"""Number formats: that of the forward passes, and float64 where single precision is not enough."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

PRECISIONS = ("fp32", "tf32", "bf16")


@contextlib.contextmanager
def forward_precision(name: str, device: torch.device) -> Iterator[None]:
    """Run forward passes in `name`, one of PRECISIONS, and restore the setting afterwards.

    tf32 is fp32 where there is no CUDA.
    """
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=name == "bf16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def in_double(values: Tensor) -> Tensor:
    """The values in float64, on the CPU where the device has none (MPS)."""
    return (values.cpu() if values.device.type == "mps" else values).double()


def eigenvectors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (d,), ascending, and eigenvectors (d, d) of a symmetric matrix, computed on the
    CPU where the device cannot (MPS).
    """
    values, vectors = torch.linalg.eigh(matrix.cpu() if matrix.device.type == "mps" else matrix)
    return values.to(matrix.device), vectors.to(matrix.device)

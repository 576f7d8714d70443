"""How large a packed model is, against the same model written dense, in bytes that can be checked
with `ls`.
"""

import json
from dataclasses import dataclass

from torch import Tensor

from prunescope.engine.formatting import format_bytes


@dataclass(frozen=True, slots=True)
class PackedSize:
    """Bytes on disk of a packed model and of the same model dense in fp32."""

    file_bytes: int  # the packed file, header included
    dense_bytes: int  # model.safetensors of the same model in fp32, header included
    embedding_bytes: int  # of both, the embeddings, which are not pruned
    prunable_packed: int  # the prunable weights alone, as they are stored
    prunable_dense: int  # the same weights in fp32
    matrices: int  # prunable weights
    packed: int  # of these, stored as bitmap and survivors; the others gain nothing by it
    half: int  # of these, with survivors rounded to fp16

    @property
    def ratio(self) -> float:
        """Packed file / dense file."""
        return self.file_bytes / self.dense_bytes

    @property
    def prunable_ratio(self) -> float:
        """Prunable weights packed / dense."""
        return self.prunable_packed / self.prunable_dense if self.prunable_dense else 1.0

    def sentence(self) -> str:
        """The sizes in words."""
        than = "instead of" if self.file_bytes < self.dense_bytes else "no less than the dense"
        rounded = (
            f"; survivors are rounded to fp16 in {self.half} of {self.matrices} weights"
            if self.half
            else ""
        )
        return (
            f"{format_bytes(self.file_bytes)} on disk {than} {format_bytes(self.dense_bytes)}; the "
            "embeddings, "
            f"{format_bytes(self.embedding_bytes)}, are not pruned{rounded}."
        )


def dense_file_bytes(state: dict[str, Tensor]) -> int:
    """Size of the safetensors file that `save_pretrained` writes for this state with its floats in
    fp32.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name in sorted(state):
        tensor = state[name]
        stop = start + (4 * tensor.numel() if tensor.is_floating_point() else tensor.nbytes)
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, stop]}
        start = stop
    length = len(json.dumps(header, separators=(",", ":")).encode())
    return (
        8 + -(-length // 8) * 8 + start
    )  # eight bytes of length, the header padded to eight, the tensors

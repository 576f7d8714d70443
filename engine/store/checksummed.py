"""A safetensors file with its own checksum and a description: the one format in which the engine
writes tensors that it reads again.

The header's metadata has one entry, JSON: more entries would be written in an order that changes
from process to process. The JSON begins with the SHA-256 of the whole file, header included, in
which these 64 digits themselves are read as zeros.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from prunescope.engine.errors import DamagedEntryError

ENTRY = "prunescope"
# what reading a damaged file raises, here and where its tensors are put to use
DAMAGE = (DamagedEntryError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError)
ZEROS = b"0" * 64  # in place of the checksum while it is computed
# JSON within JSON, so the quotes are escaped.
CHECKSUM = re.compile(rb'\\"sha256\\": \\"([0-9a-f]{64})\\"')


def write_checksummed(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write the tensors with `about` (JSON) and their checksum. The same input gives the same
    bytes.
    """
    save_file(tensors, path, {ENTRY: json.dumps({"sha256": ZEROS.decode(), **about})})
    digest, offset = _digest(path)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(digest.encode())


def read_about(path: Path) -> dict[str, Any]:
    """The description in the file, unverified. Raises ValueError or SafetensorError when it cannot
    be read.
    """
    with safe_open(str(path), framework="pt") as file:
        metadata = file.metadata() or {}
    try:
        about = json.loads(metadata.get(ENTRY, "null"))
    except RecursionError:
        raise ValueError("its description is nested too deeply") from None
    if not isinstance(about, dict):
        raise ValueError("it does not say what it is")
    return about


def read_checksummed(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that `read_about` could open, after its checksum has been compared.

    Raises ValueError or SafetensorError for damage.
    """
    digest, offset = _digest(path)
    with path.open("rb") as file:
        file.seek(offset)
        if file.read(64) != digest.encode():
            raise ValueError("its checksum does not match")
    return read_tensors(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of any safetensors file, unverified."""
    with safe_open(str(path), framework="pt") as file:
        # Cloned: a tensor of safetensors is a window on the file, and would change or crash with
        # it.
        return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  not a dict


def _digest(path: Path) -> tuple[str, int]:
    """(SHA-256 of the file with its own digits read as zeros, the offset of these digits)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        file.seek(0)
        head = file.read(8 + length)
        checksum = CHECKSUM.search(head)
        if checksum is None:
            raise ValueError("it has no checksum")
        offset = checksum.start(1)
        digest = hashlib.sha256(head[:offset] + ZEROS + head[offset + 64 :])
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest(), offset

"""The packed format: a pruned model in a folder that is really smaller. `export.packed` writes it.

`model.packed.safetensors` holds, for each prunable weight with enough zeros to gain,
`<name>.bitmap` (one bit a weight) and `<name>.survivors`, its remaining weights in row order;
everything else is an ordinary tensor, a shared one only once. Beside it lie the config, the
tokenizer's files and `prunescope.json`. A weight of −0.0 counts as a zero and comes back as 0.0.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForSequenceClassification,
)

from prunescope.engine.errors import ModelError, PruneScopeError
from prunescope.engine.formatting import error_line
from prunescope.engine.models.weights import check_kind
from prunescope.engine.paths import expanded
from prunescope.engine.store.checksummed import read_about, read_checksummed

FILE = "model.packed.safetensors"
FORMAT, VERSION = "prunescope-packed", 1


@dataclass(frozen=True, slots=True)
class PackedInfo:
    """What a packed file says about itself."""

    version: int
    half: bool  # remaining weights were rounded to fp16 where their range allows it
    packed: tuple[str, ...]  # the matrices stored as a bitmap and remaining weights
    provenance: dict[str, Any]
    libraries: dict[str, str]
    sha256: str


def pack(weights: dict[str, Tensor], half: bool = False) -> dict[str, Tensor]:
    """Name → bitmap (one bit a weight) and remaining weights in row order, in fp32 or, where
    nothing is lost but digits, fp16.
    """
    packed = {}
    for name, weight in weights.items():
        flat = weight.detach().cpu().float().reshape(-1)
        mask = flat != 0
        packed[f"{name}.bitmap"] = torch.from_numpy(np.packbits(mask.numpy()))
        packed[f"{name}.survivors"] = _halved(flat[mask]) if half else flat[mask]
    return packed


def _halved(remaining: Tensor) -> Tensor:
    """fp16, or the fp32 given when one of them would become infinite or zero."""
    rounded = remaining.half()
    in_range = (rounded != 0) & (rounded.isinf() == remaining.isinf())
    return rounded if bool(in_range.all()) else remaining


def unpack(packed: dict[str, Tensor], name: str, like: Tensor) -> Tensor:
    """One weight back in its full shape, equal to the weight that was packed."""
    return _spread(packed[f"{name}.bitmap"], packed[f"{name}.survivors"], like.shape)


def _spread(bitmap: Tensor, remaining: Tensor, shape: torch.Size | list[int]) -> Tensor:
    count = math.prod(shape)
    mask = torch.from_numpy(np.unpackbits(bitmap.numpy(), count=count)).bool()
    flat = torch.zeros(count)
    flat[mask] = remaining.float()
    return flat.view(shape)


def is_packed(folder: Path) -> bool:
    """Whether the folder holds a packed model."""
    return (folder / FILE).is_file()


@contextmanager
def _one_sentence_errors(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes the readers raise, as one sentence."""
    try:
        yield
    except PruneScopeError:
        raise
    except Exception as error:
        # A damaged file or config raises anything from SafetensorError to ZeroDivisionError.
        raise ModelError(
            f"{path} cannot be opened as a packed model ({error_line(error)}); copy it again, or "
            "write it again with `prunescope export --format packed`."
        ) from error


def _about(path: Path) -> dict[str, Any]:
    """The file's description, of a version that this program reads."""
    about = read_about(path)
    if about.get("format") != FORMAT:
        raise ValueError(f"its format is {about.get('format')!r}, not {FORMAT!r}")
    version = about.get("version")
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"its version is {version!r}")
    if version > VERSION:
        raise ModelError(
            f"{path} has version {version} of the packed format and this PruneScope reads up to "
            f"{VERSION}; update PruneScope."
        )
    return about


def about_packed(folder: Path) -> dict[str, Any]:
    """What the packed model in a folder says about itself: its `provenance` and, if it has one, the
    facts of its `card`. Raises ModelError when that cannot be read.
    """
    with _one_sentence_errors(folder / FILE):
        about = _about(folder / FILE)
        return {"provenance": dict(about["provenance"]), "card": about.get("card")}


def open_packed(folder: Path | str, device: str | torch.device = "cpu") -> tuple[Any, PackedInfo]:
    """The ordinary model of a packed folder, in evaluation mode, and what the file says about
    itself.

    Raises ModelError when a file is missing, damaged, of a newer version, or does not fit its
    config.
    """
    source = expanded(folder)
    if not is_packed(source):
        raise ModelError(
            f"{source} has no {FILE}, so it is not a packed model folder; `prunescope export "
            "--format packed` writes one."
        )
    with _one_sentence_errors(source / FILE):
        about = _about(source / FILE)
        state = _state(read_checksummed(source / FILE), about)
        info = PackedInfo(
            about["version"],
            bool(about["half"]),
            tuple(about["packed"]),
            dict(about["provenance"]),
            dict(about["libraries"]),
            str(about["sha256"]),
        )
        config = AutoConfig.from_pretrained(source, local_files_only=True, trust_remote_code=False)
        check_kind(AutoModelForSequenceClassification, config, str(source))
        kind: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
        model, loading = kind.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, dtype=torch.float32
        )
        if differing := sorted([*loading["missing_keys"], *loading["unexpected_keys"]]):
            raise ValueError(f"its weights and the config do not agree on {differing[0]}")
    return model.to(device).eval(), info


def _state(tensors: dict[str, Tensor], about: dict[str, Any]) -> dict[str, Tensor]:
    """The full state: packed weights spread out, aliases filled in."""
    for name, shape in about["packed"].items():
        bitmap, remaining = tensors.pop(f"{name}.bitmap"), tensors.pop(f"{name}.survivors")
        _check_pair(name, shape, bitmap, remaining)
        tensors[name] = _spread(bitmap, remaining, shape)
    return tensors | {alias: tensors[name] for alias, name in about["shared"].items()}


def _check_pair(name: str, shape: list[int], bitmap: Tensor, remaining: Tensor) -> None:
    """Raises ValueError where a bitmap and its remaining weights do not fit each other."""
    if not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(f"{name} has the shape {shape}")
    if bitmap.dtype != torch.uint8 or remaining.dtype not in (torch.float32, torch.float16):
        raise ValueError(f"{name} is stored as {bitmap.dtype} and {remaining.dtype}")
    count = math.prod(shape)
    if bitmap.shape != (-(-count // 8),):
        raise ValueError(f"the bitmap of {name} has {bitmap.numel()} bytes for {count} weights")
    # The unused bits of the last byte count: they must be zero.
    bits = int(np.unpackbits(bitmap.numpy()).sum())
    if remaining.shape != (bits,):
        raise ValueError(
            f"{name} has {remaining.numel()} remaining weights and a bitmap with {bits}"
        )

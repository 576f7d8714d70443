"""A pruned model in a folder that is really smaller: a bitmap and the survivors of every prunable
weight.

`model.packed.safetensors` holds, for each prunable weight with enough zeros to gain,
`<name>.bitmap` (one bit a weight) and `<name>.survivors` in row order; everything else is an
ordinary tensor, a shared one only once. Beside it lie the config, the tokenizer's files and
`prunescope.json`. A weight of −0.0 counts as a zero and comes back as 0.0.
"""

import copy
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import torch
import transformers
from torch import Tensor
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig

from prunescope.engine.errors import ModelError, PruneScopeError
from prunescope.engine.models.families import family_of
from prunescope.engine.models.packed_size import PackedSize, dense_file_bytes
from prunescope.engine.paths import expanded
from prunescope.engine.store.atomic import atomic_folder
from prunescope.engine.store.checksummed import read_about, read_checksummed, write_checksummed

if TYPE_CHECKING:  # the victim's own module opens packed folders with this one
    from prunescope.engine.models.victim import Victim

FILE = "model.packed.safetensors"
FORMAT, VERSION = "prunescope-packed", 1


@dataclass(frozen=True, slots=True)
class PackedInfo:
    """What a packed file says about itself."""

    version: int
    half: bool  # survivors were rounded to fp16 where their range allows it
    packed: tuple[str, ...]  # the weights stored as bitmap and survivors
    provenance: dict[str, Any]
    libraries: dict[str, str]
    sha256: str


def pack(weights: dict[str, Tensor], half: bool = False) -> dict[str, Tensor]:
    """name → bitmap (one bit a weight) and survivors in row order, in fp32 or, where nothing is
    lost but digits, fp16.
    """
    packed = {}
    for name, weight in weights.items():
        flat = weight.detach().cpu().float().reshape(-1)
        alive = flat != 0
        packed[f"{name}.bitmap"] = torch.from_numpy(np.packbits(alive.numpy()))
        packed[f"{name}.survivors"] = _halved(flat[alive]) if half else flat[alive]
    return packed


def _halved(survivors: Tensor) -> Tensor:
    """fp16, or the fp32 given when one of them would become infinite or zero."""
    rounded = survivors.half()
    kept = (rounded != 0) & (rounded.isinf() == survivors.isinf())
    return rounded if bool(kept.all()) else survivors


def unpack(packed: dict[str, Tensor], name: str, like: Tensor) -> Tensor:
    """One weight back in its full shape, equal to the weight that was packed."""
    return _spread(packed[f"{name}.bitmap"], packed[f"{name}.survivors"], like.shape)


def _spread(bitmap: Tensor, survivors: Tensor, shape: torch.Size | list[int]) -> Tensor:
    count = math.prod(shape)
    alive = torch.from_numpy(np.unpackbits(bitmap.numpy(), count=count)).bool()
    flat = torch.zeros(count)
    flat[alive] = survivors.float()
    return flat.view(shape)


def is_packed(folder: Path) -> bool:
    """Whether the folder holds a packed model."""
    return (folder / FILE).is_file()


def save_packed(
    victim: "Victim", folder: Path | str, provenance: dict[str, Any], half: bool = False
) -> PackedSize:
    """Save the victim packed, whole or not at all, and say how large it became. The same input
    gives the same bytes.

    `half` rounds survivors to fp16; a weight that fp16 cannot hold without a survivor becoming zero
    or infinite stays fp32. Raises StoreError when the folder is there already or cannot be written.
    """
    state, shared = _distinct(victim.model)
    prunable = {
        name: state[name] for name in _prunable_names(victim) if state[name].dtype == torch.float32
    }
    packed: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    for name, weight in prunable.items():
        pair = pack({name: weight}, half)
        if sum(part.nbytes for part in pair.values()) < weight.nbytes:
            packed |= pair
            shapes[name] = list(weight.shape)
    rest = {name: _own(tensor) for name, tensor in state.items() if name not in shapes}
    about = {
        "format": FORMAT,
        "version": VERSION,
        "half": half,
        "packed": shapes,
        "shared": shared,
        "libraries": {
            module.__name__: str(module.__version__)
            for module in (torch, transformers, safetensors)
        },
        "provenance": provenance,
    }
    with atomic_folder(folder) as work:
        config = copy.deepcopy(victim.model.config)
        config.architectures = [type(victim.model).__name__]
        config.save_pretrained(work)
        victim.tokenizer.save_pretrained(work)
        (work / "prunescope.json").write_text(
            json.dumps(provenance, indent=1) + "\n", encoding="utf-8"
        )
        write_checksummed(work / FILE, packed | rest, about)
        size = (work / FILE).stat().st_size
    embeddings = {
        id(value): value.numel()
        for value in getattr(victim.model, victim.family.body).embeddings.parameters()
    }
    return PackedSize(
        file_bytes=size,
        dense_bytes=dense_file_bytes(state),
        embedding_bytes=4 * sum(embeddings.values()),
        prunable_packed=sum(tensor.nbytes for tensor in packed.values())
        + sum(tensor.nbytes for name, tensor in prunable.items() if name not in shapes),
        prunable_dense=sum(tensor.nbytes for tensor in prunable.values()),
        matrices=len(prunable),
        packed=len(shapes),
        half=sum(tensor.dtype == torch.float16 for tensor in packed.values()),
    )


def _distinct(model: Any) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(the state without repetitions, alias → the name its tensor is stored under)."""
    state: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    seen: dict[Any, str] = {}
    for name, tensor in model.state_dict().items():
        place = (
            (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
            if tensor.numel()
            else name
        )
        if place in seen:
            shared[name] = seen[place]
        else:
            seen[place], state[name] = name, tensor
    return state, shared


def _own(tensor: Tensor) -> Tensor:
    """On the CPU, contiguous, and in memory of its own: safetensors refuses windows that overlap."""
    value = tensor.detach().cpu().contiguous()
    return value if value.untyped_storage().nbytes() == value.nbytes else value.clone()


def _prunable_names(victim: "Victim") -> list[str]:
    """The prunable weights' names in the state, each tensor once."""
    wanted = {
        id(linear.weight)
        for block in victim.family.blocks(victim.model)
        for linear in block.linears.values()
    }
    return [name for name, parameter in victim.model.named_parameters() if id(parameter) in wanted]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes the readers raise, as one sentence."""
    try:
        yield
    except PruneScopeError:
        raise
    except Exception as error:
        # a damaged file or config raises anything from SafetensorError to ZeroDivisionError
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise ModelError(
            f"{path} cannot be opened as a packed model ({reason}); copy it again, or write it "
            "again with "
            "`python -m engine prune`."
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
            f"{VERSION}; "
            "update PruneScope."
        )
    return about


def provenance_of(folder: Path) -> dict[str, Any]:
    """Where the packed model in a folder comes from. Raises ModelError when that cannot be read."""
    with _explained(folder / FILE):
        return dict(_about(folder / FILE)["provenance"])


def open_packed(folder: Path | str, device: str | torch.device = "cpu") -> tuple[Any, PackedInfo]:
    """The ordinary model of a packed folder, in evaluation mode, and what the file says about
    itself.

    Raises ModelError when a file is missing, damaged, of a newer version, or does not fit its
    config.
    """
    source = expanded(folder)
    if not is_packed(source):
        raise ModelError(
            f"{source} has no {FILE}, so it is not a packed model folder; `python -m engine prune` "
            "writes one."
        )
    with _explained(source / FILE):
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
        family_of(config, str(source))
        kind: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
        model, found = kind.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, dtype=torch.float32
        )
        if differing := sorted([*found["missing_keys"], *found["unexpected_keys"]]):
            raise ValueError(f"its weights and the config do not agree on {differing[0]}")
    return model.to(device).eval(), info


def _state(tensors: dict[str, Tensor], about: dict[str, Any]) -> dict[str, Tensor]:
    """The full state: packed weights spread out, aliases filled in."""
    for name, shape in about["packed"].items():
        bitmap, survivors = tensors.pop(f"{name}.bitmap"), tensors.pop(f"{name}.survivors")
        if not all(isinstance(size, int) and size > 0 for size in shape):
            raise ValueError(f"{name} has the shape {shape}")
        if bitmap.dtype != torch.uint8 or survivors.dtype not in (torch.float32, torch.float16):
            raise ValueError(f"{name} is stored as {bitmap.dtype} and {survivors.dtype}")
        if bitmap.shape != (-(-math.prod(shape) // 8),):
            raise ValueError(
                f"the bitmap of {name} has {bitmap.numel()} bytes for {math.prod(shape)} weights"
            )
        bits = int(
            np.unpackbits(bitmap.numpy()).sum()
        )  # the unused bits of the last byte count: they must be zero
        if survivors.shape != (bits,):
            raise ValueError(f"{name} has {survivors.numel()} survivors and a bitmap with {bits}")
        tensors[name] = _spread(bitmap, survivors, shape)
    return tensors | {alias: tensors[name] for alias, name in about["shared"].items()}

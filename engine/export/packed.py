"""Write a victim as a packed folder, and say how large it became. `models.packed` opens it."""

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import torch
import transformers
from torch import Tensor

from prunescope.engine.export.card import CardFacts, card_of, write_card
from prunescope.engine.export.packed_size import PackedSize, dense_file_bytes
from prunescope.engine.models.packed import FILE, FORMAT, VERSION, pack
from prunescope.engine.models.victim import Victim
from prunescope.engine.store.atomic import atomic_folder
from prunescope.engine.store.checksummed import write_checksummed


def save_packed(
    victim: Victim,
    folder: Path | str,
    provenance: dict[str, Any],
    half: bool = False,
    card: CardFacts | None = None,
) -> PackedSize:
    """Save the victim packed, whole or not at all, and say how large it became. The same input
    gives the same bytes.

    `half` rounds the remaining weights to fp16; a matrix of which one would become zero or infinite
    stays fp32. Raises StoreError when the folder is there already or cannot be written.
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
        **({"card": asdict(card)} if card else {}),
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
        size, dense_size = (work / FILE).stat().st_size, dense_file_bytes(state)
        write_card(work, victim.model, card_of(victim, card), "packed", dense_size)
    tables = victim.architecture.embeddings(victim.model)
    return PackedSize(
        file_bytes=size,
        dense_bytes=dense_size,
        embedding_bytes=4 * sum(table.numel() for table in tables),
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
    names: dict[Any, str] = {}
    for name, tensor in model.state_dict().items():
        identity = (
            (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
            if tensor.numel()
            else name
        )
        if identity in names:
            shared[name] = names[identity]
        else:
            names[identity], state[name] = name, tensor
    return state, shared


def _own(tensor: Tensor) -> Tensor:
    """On the CPU, contiguous, in memory of its own: safetensors refuses windows that overlap."""
    value = tensor.detach().cpu().contiguous()
    return value if value.untyped_storage().nbytes() == value.nbytes else value.clone()


def _prunable_names(victim: Victim) -> list[str]:
    """The prunable weights' names in the state, each tensor once."""
    prunable = {id(linear.parameter) for linear in victim.linears().values()}
    return [
        name for name, parameter in victim.model.named_parameters() if id(parameter) in prunable
    ]

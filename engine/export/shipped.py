"""Pruned models that ship: a rounded one as one file against its dense model, written and opened.

A file holds the prunable weights in a few bits each (`models.few_bits`), whatever else pruning
changed as it is, and no embeddings: these are the dense model's, named by its fingerprint.
"""

from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from prunescope.engine.errors import DamagedEntryError
from prunescope.engine.export.pruned_models import OTHER, changed_tensors
from prunescope.engine.models.few_bits import pack_few, unpack_few
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.plan import LayerReport, Pruned, level_name
from prunescope.engine.store.atomic import atomic_file
from prunescope.engine.store.checksummed import read_checksummed, write_checksummed
from prunescope.engine.store.shipped import FORMAT, VERSION, ShippedModel, shipped_about


def packed_tensors(pruned: Victim, dense: Victim, bits: int) -> dict[str, Tensor]:
    """What ships of a pruned victim: its prunable weights rounded, and what else differs."""
    tensors: dict[str, Tensor] = {}
    for name, weight in pruned.prunable().items():
        tensors |= pack_few(name, weight, bits)
    return tensors | changed_tensors(pruned, dense)


def opened(tensors: Mapping[str, Tensor], dense: Victim, bits: int, sparsity: float) -> Victim:
    """The rounded victim; what pruning left alone is in memory once, with the dense victim."""
    others = {
        name.removeprefix(OTHER): value for name, value in tensors.items() if name.startswith(OTHER)
    }
    sparse = dense.copy(own=others)
    sparse.name = level_name(dense.name, sparsity)
    with torch.no_grad():
        for name, weight in sparse.prunable().items():
            weight.copy_(unpack_few(tensors, name, weight.shape, bits))
        state = sparse.model.state_dict()
        for name, value in others.items():
            state[name].copy_(value)
    return sparse


def rounded(pruned: Pruned, dense: Victim, bits: int) -> Pruned:
    """The pruned victim as it would be opened again from `bits` bits a remaining weight."""
    victim = opened(packed_tensors(pruned.victim, dense, bits), dense, bits, pruned.sparsity)
    return Pruned(victim, pruned.sparsity, pruned.layers, pruned.notices)


def save_shipped(
    path: Path,
    pruned: Pruned,
    dense: Victim,
    bits: int,
    study: str,
    measured: dict[str, Any],
) -> None:
    """Write a pruned victim in a few bits a weight, with the figures measured on it so."""
    about = {
        "format": FORMAT,
        "version": VERSION,
        "key": path.stem,
        "study": study,
        "dense": dense.fingerprint,
        "sparsity": pruned.sparsity,
        "achieved": pruned.achieved,
        "weight_bits": bits,
        "measured": measured,
        "layers": [astuple(layer) for layer in pruned.layers],
        "notices": pruned.notices,
    }
    with atomic_file(path) as work:
        write_checksummed(work, packed_tensors(pruned.victim, dense, bits), about)


def open_shipped(shipped: ShippedModel, dense: Victim) -> Pruned:
    """A shipped model over its dense one, verified.

    Raises DamagedEntryError where the file is damaged or is for another dense model.
    """
    try:
        about = shipped_about(shipped.path)
        tensors = read_checksummed(shipped.path)
        if (about["key"], about["dense"]) != (shipped.path.stem, dense.fingerprint):
            raise ValueError("it is another model's")
        victim = opened(tensors, dense, shipped.weight_bits, shipped.sparsity)
        layers = tuple(LayerReport(*entry) for entry in about["layers"])
        return Pruned(victim, shipped.sparsity, layers, tuple(about["notices"]))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DamagedEntryError(
            f"The shipped pruned model {shipped.key[:12]} cannot be opened ({error})."
        ) from error

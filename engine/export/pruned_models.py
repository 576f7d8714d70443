"""Pruned victims in the cache: the remaining weights of every prunable matrix, packed behind a
bitmap, in a checksummed file.
"""

import contextlib
import hashlib
import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prunescope.engine.errors import DamagedEntryError, StoreError
from prunescope.engine.models.packed import pack, unpack
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.plan import LayerReport, Pruned, level_name
from prunescope.engine.store import Store, victim_key
from prunescope.engine.store.atomic import atomic_cache_file
from prunescope.engine.store.checksummed import (
    DAMAGE,
    read_about,
    read_checksummed,
    read_tensors,
    write_checksummed,
)

OTHER = "other/"  # before the names of tensors that are stored whole
MOST = 40  # pruned victims that stay in the cache; the least recently used go first


def changed_tensors(pruned: Victim, dense: Victim) -> dict[str, Tensor]:
    """What pruning changed beside the prunable weights: repaired biases, a re-solved head."""
    packed = {weight.data_ptr() for weight in pruned.prunable().values()}
    before = dense.model.state_dict()
    return {
        f"{OTHER}{name}": value.detach().cpu()
        for name, value in pruned.model.state_dict().items()
        if value.data_ptr() not in packed and not torch.equal(value, before[name])
    }


def _path(store: Store, key: str) -> Path:
    return store.root / "victims" / f"{key}.safetensors"


def has_pruned(store: Store, key: str) -> bool:
    """Whether there is a file for a pruned victim; only `load_pruned` says whether it is whole."""
    return _path(store, key).is_file()


def saved_sparsities(store: Store, identity: dict[str, Any]) -> list[float]:
    """The sparsities at which there is a file for the study with this identity, ascending."""
    sparsities = []
    for path in (store.root / "victims").glob("*.safetensors"):
        try:
            sparsity = float(read_about(path)["sparsity"])
        except (*DAMAGE, OSError):
            continue  # whoever wants this one is told that it is damaged
        if victim_key(identity, sparsity) == path.stem:
            sparsities.append(sparsity)
    return sorted(sparsities)


def save_pruned(store: Store, key: str, pruned: Pruned, dense: Victim) -> Path:
    """Write a pruned victim, as far as it differs from the dense one, and make room."""
    tensors = pack(pruned.victim.prunable()) | changed_tensors(pruned.victim, dense)
    about = {
        "key": key,
        "sparsity": pruned.sparsity,
        "layers": [astuple(layer) for layer in pruned.layers],
        "notices": pruned.notices,
    }
    path = _path(store, key)
    with atomic_cache_file(path) as work:
        write_checksummed(work, tensors, about)
    for old in sorted(path.parent.glob("*.safetensors"), key=lambda p: p.stat().st_mtime)[:-MOST]:
        old.unlink(missing_ok=True)
    return path


def load_pruned(store: Store, key: str, dense: Victim) -> Pruned | None:
    """A pruned victim from the cache, verified; None when it is not there. A damaged file is
    removed with a notice.
    """
    path = _path(store, key)
    if not path.is_file():
        return None
    try:
        return _read(path, dense)
    except DAMAGE as error:
        store.notices.append(
            f"The cached pruned model {key[:12]} is damaged ({error}); it is pruned again."
        )
        with contextlib.suppress(OSError):  # a read-only cache keeps it
            path.unlink(missing_ok=True)
        return None
    except OSError as error:
        raise StoreError(f"The cache {path} cannot be read ({error.strerror}).") from error


def _read(path: Path, dense: Victim) -> Pruned:
    tensors, about = _verified(path)
    sparse = dense.copy()
    sparse.name = level_name(dense.name, float(about["sparsity"]))
    with torch.no_grad():
        for name, weight in sparse.prunable().items():
            weight.copy_(unpack(tensors, name, weight))
        others = sparse.model.state_dict()
        for name, value in tensors.items():
            if name.startswith(OTHER):
                others[name.removeprefix(OTHER)].copy_(value)
    layers = tuple(LayerReport(*entry) for entry in about["layers"])
    with contextlib.suppress(OSError):  # only a hint for `MOST`; a read-only cache is good to read
        path.touch()
    return Pruned(sparse, float(about["sparsity"]), layers, tuple(about["notices"]))


def _verified(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the description in a file, checksum and key compared."""
    about = read_about(path)
    if set(about) == {"sha256", "about"}:
        return _verified_before(path, about)
    if about["key"] != path.stem:
        raise DamagedEntryError("it is another model's")
    return read_checksummed(path), about


def _verified_before(path: Path, envelope: dict[str, Any]) -> tuple[dict[str, Tensor], Any]:
    """As `_verified` for a file written before 2026-12, whose checksum was of the tensors alone."""
    tensors = read_tensors(path)
    digest = hashlib.sha256(f"{path.stem}|{envelope['about']}".encode())
    for name in sorted(tensors):
        digest.update(f"|{name}|{tensors[name].dtype}|{tuple(tensors[name].shape)}|".encode())
        digest.update(tensors[name].contiguous().view(torch.uint8).numpy().tobytes())
    if envelope["sha256"] != digest.hexdigest():
        raise DamagedEntryError("its checksum does not match")
    return tensors, json.loads(envelope["about"])

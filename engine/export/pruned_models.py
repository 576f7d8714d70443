"""Pruned victims on disk: the survivors of every prunable weight, packed behind a bitmap, in
safetensors.
"""

import contextlib
import hashlib
import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from prunescope.engine.errors import DamagedEntryError, StoreError
from prunescope.engine.models.packed import pack, unpack
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.plan import LayerReport, Pruned, level_name
from prunescope.engine.store import Store, key_of, write_atomic

OTHER = "other/"  # before the names of tensors that are stored whole
KEPT = 40  # pruned victims that stay in the cache; the least recently used go first


def victim_key(identity: dict[str, Any], sparsity: float) -> str:
    """The key of a pruned victim: everything that decides its weights, the attack and the
    evaluation left out.
    """
    decides = ("schema", "victim", "calibration", "max_tokens", "plan")
    return key_of(
        {**{name: identity.get(name) for name in decides}, "sparsity": round(sparsity, 6)}
    )


def _digest(tensors: dict[str, Tensor], *beside: str) -> str:
    digest = hashlib.sha256("|".join(beside).encode())
    for name in sorted(tensors):
        digest.update(f"|{name}|{tensors[name].dtype}|{tuple(tensors[name].shape)}|".encode())
        digest.update(tensors[name].contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _changed(pruned: Victim, dense: Victim) -> dict[str, Tensor]:
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


def is_kept(store: Store, key: str) -> bool:
    """Whether there is a file for a pruned victim; only `load_pruned` says whether it is whole."""
    return _path(store, key).is_file()


def save_pruned(store: Store, key: str, pruned: Pruned, dense: Victim) -> Path:
    """Write a pruned victim, as far as it differs from the dense one, and make room."""
    packed = pack(pruned.victim.prunable()) | _changed(pruned.victim, dense)
    told = {
        "sparsity": pruned.sparsity,
        "layers": [astuple(layer) for layer in pruned.layers],
        "notices": pruned.notices,
    }
    about = json.dumps(told)
    path = _path(store, key)
    seal = json.dumps({"sha256": _digest(packed, key, about), "about": about})
    metadata = {
        "prunescope": seal
    }  # one entry: several would be written in an order that changes from process to process
    write_atomic(path, save(packed, metadata))
    for old in sorted(path.parent.glob("*.safetensors"), key=lambda p: p.stat().st_mtime)[:-KEPT]:
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
    except (
        DamagedEntryError,
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
    ) as error:
        store.notices.append(
            f"The cached pruned model {key[:12]} is damaged ({error}); it is solved again."
        )
        with contextlib.suppress(OSError):  # a read-only cache keeps it
            path.unlink(missing_ok=True)
        return None
    except OSError as error:
        raise StoreError(f"The cache {path} cannot be read ({error.strerror}).") from error


def _read(path: Path, dense: Victim) -> Pruned:
    with safe_open(str(path), framework="pt") as file:
        metadata = file.metadata() or {}
        packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    seal = json.loads(metadata["prunescope"])
    if seal["sha256"] != _digest(packed, path.stem, seal["about"]):
        raise DamagedEntryError("its checksum does not match")
    sparse, about = dense.copy(), json.loads(seal["about"])
    sparse.name = level_name(dense.name, float(about["sparsity"]))
    with torch.no_grad():
        for name, weight in sparse.prunable().items():
            weight.copy_(unpack(packed, name, weight))
        others = sparse.model.state_dict()
        for name, value in packed.items():
            if name.startswith(OTHER):
                others[name.removeprefix(OTHER)].copy_(value)
    layers = tuple(LayerReport(*entry) for entry in about["layers"])
    with contextlib.suppress(
        OSError
    ):  # only a hint for `KEPT`; a read-only cache is still good to read
        path.touch()
    return Pruned(sparse, float(about["sparsity"]), layers, tuple(about["notices"]))

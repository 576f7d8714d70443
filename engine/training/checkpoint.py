"""Checkpoints: trained weights, the optimizer's state, random states and the position in the data.

One checksummed safetensors file, replaced as a whole: a kill or a full disk leaves the one before.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from prunescope.engine.store.atomic import atomic_file
from prunescope.engine.store.checksummed import read_about, read_checksummed, write_checksummed
from prunescope.engine.store.checksums import sha256_of


@dataclass(slots=True)
class TrainingState:
    """A training between two steps."""

    about: dict[str, Any]  # JSON: step, place, losses, …
    weights: dict[str, Tensor]  # the trained ones, by name
    optimizer: dict[str, Tensor]  # `parameter number/name of the moment`
    best: dict[str, Tensor]  # the weights at the best check, where there is early stopping
    # what decides the next steps beside all this: masks, thresholds
    callback: dict[str, Tensor] = field(default_factory=dict)


def training_key(identity: Mapping[str, Any]) -> str:
    """The key of a training, by everything that decides it."""
    return sha256_of(json.dumps(identity, sort_keys=True))


def save(path: Path, key: str, state: TrainingState) -> None:
    """Write the state of the training `key`. Raises StoreError when it cannot be written."""
    parts: dict[str, Mapping[str, Tensor]] = {
        "weights": state.weights,
        "optimizer": state.optimizer,
        "best": state.best,
        "course": state.callback,
        "random": random_states(),
    }
    tensors = {
        f"{part}/{name}": value.detach().cpu().contiguous()
        for part, values in parts.items()
        for name, value in values.items()
    }
    with atomic_file(path) as work:
        write_checksummed(work, tensors, {"training": key, **state.about})


def load(path: Path, key: str) -> TrainingState | None:
    """The state of the training `key`, after setting the random states; None where the file is
    missing, damaged or another training's.
    """
    if not path.is_file():
        return None
    try:
        about, tensors = _read(path, key)
    except _Unusable:
        return None
    parts: dict[str, dict[str, Tensor]] = {
        "weights": {},
        "optimizer": {},
        "best": {},
        "course": {},
        "random": {},
    }
    for name, value in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = value
    set_random_states(parts["random"])
    return TrainingState(
        about, parts["weights"], parts["optimizer"], parts["best"], parts["course"]
    )


def unusable(path: Path, key: str) -> str:
    """Why the training `key` cannot resume from this file; empty where it can, or where there is
    none.
    """
    try:
        if path.is_file():
            _read(path, key)
    except _Unusable as error:
        return str(error)
    return ""


class _Unusable(ValueError):
    """A file that a training cannot go on from."""


def _read(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        about = read_about(path)
        if about.get("training") == key:
            return about, read_checksummed(path)
    except (ValueError, SafetensorError) as error:
        raise _Unusable(f"it is damaged ({error})") from error
    raise _Unusable("it belongs to other settings, rows or another base")


def forked_random_state(device: str) -> AbstractContextManager[None]:
    """A block after which the global random state is as it was, on the CPU and the device."""
    devices = [torch.device(device)] if device.startswith("cuda") else []
    return torch.random.fork_rng(devices=devices)


def random_states() -> dict[str, Tensor]:
    """The states of the generators that a step draws from."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: Mapping[str, Tensor]) -> None:
    """The inverse of `random_states`."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])

"""Where a training stands, on disk: weights that learn, the optimizer's state, random states and
the place in the rows.

One sealed safetensors file, replaced as a whole: a kill or a full disk leaves the one before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from prunescope.engine.store.atomic import atomic_file
from prunescope.engine.store.checksummed import read_about, read_checksummed, write_checksummed


@dataclass(slots=True)
class Standing:
    """A training between two steps."""

    about: dict[str, Any]  # JSON: step, place, losses, …
    weights: dict[str, Tensor]  # the ones that learn, by name
    optimizer: dict[str, Tensor]  # `parameter number/name of the moment`
    best: dict[str, Tensor]  # the weights at the best check, where there is early stopping
    course: dict[str, Tensor] = field(
        default_factory=dict
    )  # what decides the next steps beside all this: masks, thresholds


def save(path: Path, key: str, now: Standing) -> None:
    """Write a standing that belongs to the training `key`. Raises StoreError when it cannot be
    written.
    """
    parts: dict[str, Mapping[str, Tensor]] = {
        "weights": now.weights,
        "optimizer": now.optimizer,
        "best": now.best,
        "course": now.course,
        "random": random_states(),
    }
    tensors = {
        f"{part}/{name}": value.detach().cpu().contiguous()
        for part, held in parts.items()
        for name, value in held.items()
    }
    with atomic_file(path) as work:
        write_checksummed(work, tensors, {"training": key, **now.about})


def load(path: Path, key: str) -> Standing | None:
    """The standing of the training `key`, random states set; None where there is none, another's,
    or a damaged one.
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
    return Standing(about, parts["weights"], parts["optimizer"], parts["best"], parts["course"])


def unusable(path: Path, key: str) -> str:
    """Why the training `key` cannot go on from this file; empty where it can, or where there is no
    file.
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


def random_states() -> dict[str, Tensor]:
    """Where the generators that a step draws from stand."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: Mapping[str, Tensor]) -> None:
    """The inverse of `random_states`."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])

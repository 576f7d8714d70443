"""The pruned models that ship: what each one is and what was measured on it. Light to import.

They lie beside the bundled studies as `victims/<key>.safetensors`, with the key that the same model
has in the cache, and are rounded to a few bits; `engine.export.shipped` writes and opens them.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from prunescope.engine.records import Rate
from prunescope.engine.store.entries import victim_key
from prunescope.engine.store.layers import Store

FORMAT, VERSION = "prunescope-few-bits", 1
ENTRY = "prunescope"  # of a header's metadata, see `checksummed`
LARGEST_HEADER = 1 << 24


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A pruned model of a study, rounded, with its own figures on the study's examples."""

    path: Path
    key: str  # of the pruned model before it was rounded, see `victim_key`
    study: str
    sparsity: float
    achieved: float  # zeros / prunable weights, exact
    weight_bits: int  # a remaining weight
    bytes: int  # of the file; embeddings are the dense model's and not in it
    acc: Rate
    aua: Rate
    asr: Rate
    # predictions on the evaluation set that are others than those of the model before rounding
    predictions_changed: int
    outcomes_changed: int  # of attacked examples, whether they are skipped, broken or withstand

    @property
    def victim_key(self) -> str:
        """What decides its weights: the pruned model and the rounding."""
        return f"{self.key}-{self.weight_bits}-bits"


def shipped_models(store: Store) -> tuple[ShippedModel, ...]:
    """All pruned models that ship, by study and sparsity; a damaged one is left out."""
    models = (_read(path) for path in sorted((store.bundled / "victims").glob("*.safetensors")))
    present = (model for model in models if model is not None)
    return tuple(sorted(present, key=lambda model: (model.study, model.sparsity)))


def shipped_model(store: Store, identity: dict[str, Any], sparsity: float) -> ShippedModel | None:
    """The model that ships for a study at a sparsity, if there is one."""
    key = victim_key(identity, sparsity)
    path = store.bundled / "victims" / f"{key}.safetensors"
    model = _read(path) if path.is_file() else None
    return model if model is not None and model.key == key else None


def shipped_about(path: Path) -> dict[str, Any]:
    """The description in a file, unverified. Raises ValueError where it cannot be read."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LARGEST_HEADER:
            raise ValueError("its header is too long")
        about = json.loads(json.loads(file.read(length))["__metadata__"][ENTRY])
    if about["format"] != FORMAT or about["version"] != VERSION:
        raise ValueError(f"its format is {about['format']} {about['version']}")
    return dict(about)


def _read(path: Path) -> ShippedModel | None:
    status = path.stat()
    return _cached(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _cached(path: Path, size: int, _time: int) -> ShippedModel | None:
    try:
        about = shipped_about(path)
        figures = {name: Rate(**about["measured"][name]) for name in ("acc", "aua", "asr")}
        return ShippedModel(
            path=path,
            key=str(about["key"]),
            study=str(about["study"]),
            sparsity=float(about["sparsity"]),
            achieved=float(about["achieved"]),
            weight_bits=int(about["weight_bits"]),
            bytes=size,
            **figures,
            predictions_changed=int(about["measured"]["predictions_changed"]),
            outcomes_changed=int(about["measured"]["outcomes_changed"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None

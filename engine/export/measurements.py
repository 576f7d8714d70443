"""What the pruner measures once, kept in files: a victim's importance and loss curves outlive the
process that measured them, and every study, live level and export that needs the same finds them.

A file is `measurements/<key>.safetensors` in any layer of the store. It holds, by layer, the
weights of token kinds, the diagonal of the metric of outputs, and its upper triangle in half
precision: exactly what `measure_importance` gives, so what was read prunes as what was measured.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from prunescope.engine.errors import DamagedEntryError, StoreError
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.importance import Importance, OutputMetric, pack_symmetric
from prunescope.engine.pruning.measurements import (
    LossCurves,
    SharedMeasurements,
    deciding_settings,
)
from prunescope.engine.pruning.plan import Plan
from prunescope.engine.store import Store, key_of
from prunescope.engine.store.atomic import atomic_cache_file
from prunescope.engine.store.checksummed import (
    DAMAGE,
    read_about,
    read_checksummed,
    write_checksummed,
)
from prunescope.engine.store.maintenance import MEASUREMENTS

MOST = 12  # files that stay in the cache; the least recently used go first
KINDS, DIAGONAL, UPPER = "kinds", "diagonal", "upper"  # after a layer's name and a slash
DECIDING = ("schema", "victim", "calibration", "max_tokens")  # of a study's identity


def measurements_key(identity: Mapping[str, Any], plan: Plan) -> str:
    """The key of what a study measures once: everything that decides it."""
    parts = {name: identity[name] for name in DECIDING}
    return key_of({**parts, "measured": deciding_settings(plan)})


def load_measurements(store: Store, key: str, victim: Victim) -> SharedMeasurements:
    """What is kept under a key, verified and on the victim's device; empty where nothing is.

    A damaged file of the user's folder is removed with a notice, one of another layer is left out.
    """
    for layer in store.layers:
        path = _path(layer, key)
        if not path.is_file():
            continue
        try:
            importance, losses = _read(path, victim)
        except OSError as error:
            raise StoreError(f"The cache {path} cannot be read ({error.strerror}).") from error
        except DAMAGE as error:
            store.notices.append(
                f"The kept measurements {key[:12]} are damaged ({error}); they are measured again."
            )
            if layer == store.root:
                with contextlib.suppress(OSError):  # a read-only cache keeps it
                    path.unlink(missing_ok=True)
            continue
        return SharedMeasurements(importance, losses)
    return SharedMeasurements()


def keep_measurements(store: Store, key: str, measurements: SharedMeasurements) -> Path:
    """Write what is known by now into the user's folder, and make room."""
    path = _path(store.root, key)
    write_measurements(path, measurements)
    for old in sorted(path.parent.glob("*.safetensors"), key=lambda p: p.stat().st_mtime)[:-MOST]:
        old.unlink(missing_ok=True)
    return path


def write_measurements(path: Path, measurements: SharedMeasurements) -> None:
    """Write measurements under the key that the file is named by."""
    importance = measurements.importance
    if importance is None:
        raise RuntimeError("only measurements with an importance are kept")
    tensors: dict[str, Tensor] = {}
    for layer, metric in importance.outputs.items():
        tensors[f"{layer}/{DIAGONAL}"] = metric.diagonal.cpu()
        if metric.matrix is not None:
            tensors[f"{layer}/{UPPER}"] = pack_symmetric(metric.matrix).cpu()
    for layer, kinds in importance.kinds.items():
        tensors[f"{layer}/{KINDS}"] = kinds
    about = {"key": path.stem, "scale": importance.scale, "losses": measurements.losses}
    with atomic_cache_file(path) as work:
        write_checksummed(work, tensors, about)


def _path(layer: Path, key: str) -> Path:
    return layer / MEASUREMENTS / f"{key}.safetensors"


def _read(path: Path, victim: Victim) -> tuple[Importance, LossCurves | None]:
    about, tensors = read_about(path), read_checksummed(path)
    if about["key"] != path.stem:
        raise DamagedEntryError("they are another victim's")
    kinds, outputs = dict[str, Tensor](), dict[str, OutputMetric]()
    for layer in victim.prunable():
        diagonal = tensors[f"{layer}/{DIAGONAL}"].to(victim.device)
        upper = tensors.get(f"{layer}/{UPPER}")
        outputs[layer] = (
            OutputMetric(diagonal)
            if upper is None
            else OutputMetric.packed(diagonal, upper.to(victim.device))
        )
        if (of_layer := tensors.get(f"{layer}/{KINDS}")) is not None:
            kinds[layer] = of_layer
    with contextlib.suppress(OSError):  # only a hint for `MOST`; a read-only cache is good to read
        path.touch()
    return Importance(kinds, outputs, dict(about["scale"])), about["losses"]

"""The models on the way of a full training, for the question when a search may start."""

import glob
import json
from pathlib import Path
from typing import Any

from prunescope.engine.errors import SettingError, StoreError
from prunescope.engine.export.folder import export_model
from prunescope.engine.models.victim import Victim
from prunescope.engine.training.callbacks import TrainerCallback


class Snapshots(TrainerCallback):
    """Writes the model as it is at given shares of the steps, to `<out>-at-<steps>`; one of this
    training that is there stays.

    Raises StoreError for one of another training, before any step.
    """

    def __init__(self, victim: Victim, shares: tuple[float, ...], out: Path, training: str) -> None:
        if bad := [share for share in shares if not 0 < share < 1]:
            raise SettingError(
                f"A model on the way is written at {bad[0]:g} of the steps; give shares in (0, 1)."
            )
        self._victim, self._shares, self._out, self._training = victim, shares, out, training
        for folder in snapshots_of(out) if shares else ():
            if _about(folder).get("training") != training:
                raise StoreError(
                    f"{folder} is a model on the way of another training; remove it, or name "
                    "another folder."
                )

    def on_step_end(self, step: int, steps: int) -> None:
        """Write the model where a share of the steps is reached."""
        if step not in {at(share, steps) for share in self._shares}:
            return
        folder = self._out.with_name(f"{self._out.name}-at-{step}")
        if not folder.exists():
            export_model(
                self._victim, folder, {"step": step, "steps": steps, "training": self._training}
            )


def at(share: float, steps: int) -> int:
    """The step after which a share of them is done."""
    return max(1, round(share * steps))


def snapshots_of(model: Path) -> list[Path]:
    """The models on the way of the one that is, or will be, at `model`."""
    return sorted(
        path for path in model.parent.glob(f"{glob.escape(model.name)}-at-*") if path.is_dir()
    )


def snapshot_at(model: Path, share: float) -> Path | None:
    """The model on the way at a share of the steps that were planned; None where it was not
    written.
    """
    records = ((folder, _about(folder)) for folder in snapshots_of(model))
    return next(
        (
            folder
            for folder, about in records
            if "step" in about and about["step"] == at(share, about["steps"])
        ),
        None,
    )


def _about(folder: Path) -> dict[str, Any]:
    """The record of a model folder; empty where there is none."""
    file = folder / "prunescope.json"
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return record

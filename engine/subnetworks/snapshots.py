"""The models on the way of a full training, for the question when a search may start."""

from pathlib import Path

from engine.errors import SettingError
from engine.export import export_model
from engine.models.victim import Victim
from engine.training.course import Course


class Snapshots(Course):
    """Writes the model as it is at given shares of the steps, to `<out>-at-<steps>`; one that is there already stays."""

    def __init__(self, victim: Victim, shares: tuple[float, ...], out: Path) -> None:
        if bad := [share for share in shares if not 0 < share < 1]:
            raise SettingError(f"A model on the way is written at {bad[0]:g} of the steps; give shares in (0, 1).")
        self._victim, self._shares, self._out = victim, shares, out

    def after(self, step: int, steps: int) -> None:
        if step not in {max(1, round(share * steps)) for share in self._shares}:
            return
        folder = self._out.with_name(f"{self._out.name}-at-{step}")
        if not folder.exists():
            export_model(self._victim, folder, {"step": step, "steps": steps})

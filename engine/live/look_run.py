"""One look inside a study's models, seen from the page. Light to import.

    run = LookRuns(front, back).submit("look", study=…, sparsity=…, text=…, adversarial=None)
    while run.active:
        run.look()          # goes on with what has become possible
        run.result          # of the model itself, or of a sparser one while it is being pruned

A model that is ready is looked into at once. While one is being pruned, the next sparser model of
the study that is ready is shown in its place, under its own sparsity: `result["sparsity"]`.
"""

from collections.abc import Iterator
from typing import Any

from prunescope.engine.live.client import LiveJob, Workbench
from prunescope.engine.live.runs import Run, Runs
from prunescope.engine.progress import ProgressState


class LookRun(Run):
    """One look inside."""

    do = "look"

    def __init__(self, front: Workbench, back: Workbench, arguments: dict[str, Any]) -> None:
        super().__init__(front, back, arguments)
        self._first = front.submit("look", **arguments, at_once=True)
        self._pruning: LiveJob | None = None
        self._exact: LiveJob | None = None

    @property
    def state(self) -> str:
        """What a job says."""
        if self._cancelled:
            return "cancelled"
        ended = next(
            (job.state for job in self._jobs() if job.state in ("failed", "cancelled")), ""
        )
        if ended or self._first.active:
            return ended or self._first.state
        exact = self._exact is not None and self._exact.state == "done"
        return "done" if exact or self._is_exact else "running"

    @property
    def result(self) -> dict[str, Any] | None:
        """What was seen inside the model, or inside the one that stands in for it; None before."""
        exact = None if self._exact is None else self._exact.result
        first = self._first.result
        return exact or (first if first is not None and first["sparsity"] is not None else None)

    @property
    def stands_in(self) -> bool:
        """Whether the result is of a sparser model than the one that was asked for."""
        return self.result is not None and self.result["sparsity"] != self.arguments["sparsity"]

    @property
    def pruning(self) -> bool:
        """Whether the model that was asked for is being pruned."""
        return self._pruning is not None and self._pruning.active

    @property
    def progress(self) -> ProgressState:
        """How far the job is that runs now."""
        return list(self._jobs())[-1].progress

    @property
    def _is_exact(self) -> bool:
        first = self._first.result
        return first is not None and first["sparsity"] == self.arguments["sparsity"]

    def _jobs(self) -> Iterator[LiveJob]:
        jobs = (self._first, self._pruning, self._exact)
        return (job for job in jobs if job is not None)

    def _go_on(self) -> None:
        if self._first.state != "done" or self._is_exact:
            return
        if self._pruning is None:
            self._pruning = self._prune(self.arguments["study"], self.arguments["sparsity"])
        elif self._pruning.state == "done" and self._exact is None:
            self._exact = self._front.submit("look", **self.arguments)


class LookRuns(Runs[LookRun]):
    """The looks of an app; `do` is "look"."""

    def __init__(self, front: Workbench, back: Workbench) -> None:
        super().__init__(LookRun, front, back)

"""What a page waits for that takes several jobs of both workers. Light to import."""

import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from prunescope.engine.live.client import LiveJob, Workbench

MOST_RUNS = 50  # that are over and can still be found


class Run(ABC):
    """Jobs that follow one another; somebody must `look` at it to have it go on."""

    def __init__(self, front: Workbench, back: Workbench, arguments: dict[str, Any]) -> None:
        self.arguments, self.token = arguments, secrets.token_hex(8)
        self._front, self._back = front, back
        self._lock, self._cancelled = threading.RLock(), False

    @property
    @abstractmethod
    def state(self) -> str:
        """What a job says: queued, running, done, failed, cancelled."""

    @property
    @abstractmethod
    def result(self) -> dict[str, Any] | None:
        """What is known by now."""

    @abstractmethod
    def _jobs(self) -> Iterator[LiveJob]:
        """Every job so far."""

    @abstractmethod
    def _go_on(self) -> None:
        """Start what has become possible."""

    @property
    def active(self) -> bool:
        """Whether anything is still to come."""
        return self.state in ("queued", "running")

    @property
    def reason(self) -> str:
        """Why it failed or was stopped."""
        return next((job.reason for job in self._jobs() if job.reason), "")

    def look(self) -> None:
        """Somebody waits for the result: go on with what has become possible."""
        with self._lock:
            for job in self._jobs():
                job.look()
            if self.active:
                self._go_on()

    def cancel(self) -> None:
        """Stop all of it within two seconds; what has ended stays."""
        with self._lock:
            self._stop(Workbench.cancel)

    def drop(self) -> None:
        """Stop all of it, since nobody waits for it any more; the workers stay."""
        with self._lock:
            self._stop(Workbench.drop)

    def _stop(self, stop: Callable[[Workbench, LiveJob], None]) -> None:
        if self.active:
            self._cancelled = True
            for job in self._jobs():
                stop(self._back if job.do == "prune" else self._front, job)

    def _prune(self, study: str, sparsity: float) -> LiveJob:
        """Have a model pruned by the second worker, so that the first one stays free."""
        return self._back.submit("prune", study=study, sparsity=sparsity)


AnyRun = TypeVar("AnyRun", bound=Run)


class Runs(Generic[AnyRun]):
    """The runs of one kind of an app, which submits them as to a `Workbench`. Safe to share."""

    def __init__(
        self,
        start: Callable[[Workbench, Workbench, dict[str, Any]], AnyRun],
        front: Workbench,
        back: Workbench,
    ) -> None:
        self._start, self._front, self._back = start, front, back
        self._runs: dict[str, AnyRun] = {}
        self._lock = threading.Lock()

    def submit(self, do: str, **arguments: Any) -> AnyRun:
        """Start a run; `do` is the one thing that its kind does."""
        run = self._start(self._front, self._back, arguments)
        with self._lock:
            self._runs[run.token] = run
            over = [token for token, old in self._runs.items() if not old.active]
            for token in over[:-MOST_RUNS]:
                del self._runs[token]
        return run

    def find(self, token: str) -> AnyRun | None:
        """A run by its token; None where it is long over, or was another app's."""
        with self._lock:
            return self._runs.get(token)

    def cancel(self, run: AnyRun) -> None:
        """Stop a run within two seconds."""
        run.cancel()

    def drop(self, run: AnyRun) -> None:
        """Stop a run that nobody waits for any more."""
        run.drop()

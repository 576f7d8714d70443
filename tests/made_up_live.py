"""A workbench without a process: tests say what its jobs do."""

import threading
from typing import Any

from prunescope.engine.live.client import LiveJob, Workbench


class MadeUpBench(Workbench):
    """Keeps its jobs in order; stopping one ends it at once."""

    def __init__(self) -> None:
        self.jobs: list[LiveJob] = []
        self.ahead = None
        self._lock, self._warming = threading.RLock(), False
        self._jobs: dict[int, LiveJob] = {}

    def _submit(self, do: str, arguments: dict[str, Any]) -> LiveJob:
        with self._lock:
            job = LiveJob(len(self.jobs) + 1, do, arguments)
            self.jobs.append(job)
            self._jobs[job.number] = job
            return job

    def _stop(self, job: LiveJob, patience: float) -> None:
        if job.active:
            job.state = "cancelled"

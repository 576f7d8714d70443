"""Studies of which no level is done: whether one runs, waits, failed or was stopped, and what to do
about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from prunescope.engine.errors import PruneScopeError
from prunescope.engine.jobs.queue import JobQueue
from prunescope.engine.jobs.rows import JobRow
from prunescope.engine.store import Store

AGAIN = "start the same study again, and it goes on with what is not done"
# jobs that left no level
ENDED = {
    "failed": "failed",
    "cancelled": "was cancelled",
    "interrupted": "was interrupted",
}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Where a study without any level stands."""

    # "running", "waiting", "failed", "cancelled", "interrupted", or "stopped" where no job knows of
    # it
    state: str
    sentence: str  # continues the study's name: "is being measured; …"
    command: str = ""  # that goes on with it, where a job knows it
    reason: str = ""  # why it failed, as its job says; may name places on this machine


def unfinished(store: Store, keys: Iterable[str]) -> dict[str, Unfinished]:
    """Where each of these studies, none of which has a level, stands, by its key.

    A list of jobs that cannot be read is named in the store's notices.
    """
    listed = list(keys)
    try:
        jobs = (
            {row.study: row for row in JobQueue(store.root).rows() if row.study in listed}
            if listed
            else {}
        )
    except PruneScopeError as error:
        store.notices.append(str(error))
        jobs = {}
    # the newest job of a study counts
    return {key: _state(store, key, jobs.get(key)) for key in listed}


def _state(store: Store, key: str, job: JobRow | None) -> Unfinished:
    if store.is_used(key) or (job is not None and job.state == "running"):
        return Unfinished("running", "is being measured; no level is done yet")
    if job is not None and job.state == "queued":
        return Unfinished("waiting", "waits in the queue; no level is done yet")
    if job is not None and job.state in ENDED:
        command = f"prunescope jobs resume {job.id}" if job.do == "study" else ""
        what = "" if command else f"; {AGAIN}"
        return Unfinished(
            job.state, f"{ENDED[job.state]} before a level was done{what}", command, job.reason
        )
    return Unfinished("stopped", f"stopped before a level was done; {AGAIN}")

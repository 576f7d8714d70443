"""Pruning ahead: while a page is open and nothing is asked for, the sparsities next to its cursor
are pruned, nearest first, so that a step of the slider finds its model ready. Light to import.

    ahead = Ahead(front, back)          # from now on, requests to either worker stop what it does
    ahead.look(page, study.key, next_to(stops, 63.0))       # again every few seconds

The second worker does it, one sparsity at a time. Any other request to either worker has it stop at
its next progress point, unless it is pruning the very model that is asked for: then it goes on, and
whoever wants it pruned gets its job. A page that is closed looks no more, and the workbench ends
what nobody looks at. What a stopped run has measured is kept in the store.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.engine.live.client import ABANDONED_AFTER, LiveJob, Workbench
from prunescope.engine.paths import expanded
from prunescope.engine.reading.levels import prune_seconds
from prunescope.engine.records import Study

MOST = 6  # sparsities next to a cursor
SETTLED = 2.0  # seconds that a cursor stands still before anything is pruned for it
LONGEST = 120.0  # seconds for one sparsity; where it takes longer, nothing is pruned ahead


def next_to(stops: Sequence[float], percent: float, most: int = MOST) -> tuple[float, ...]:
    """The sparsities at and next to a cursor, nearest first and of two the sparser, which stands in
    for more; `stops` and `percent` are per cent, the result shares.
    """
    nearest = sorted(filter(None, stops), key=lambda stop: (abs(stop - percent), -stop))
    return tuple(round(stop / 100, 6) for stop in nearest[:most])


def is_worth_pruning_ahead(study: Study) -> bool:
    """Whether a study's sparsities are pruned ahead: a level was measured and took no longer than
    LONGEST on that machine, and nothing would be fetched. Texts of a local copy that is not here
    are stood in for by those that are built in.
    """
    seconds = prune_seconds(study)
    names = (study.about["spec"].get(name) for name in ("model", "data"))
    return (
        seconds is not None
        and seconds <= LONGEST
        and all(
            name is None or name.startswith("embedded") or os.path.exists(expanded(name))
            for name in names
        )
    )


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a page stands."""

    study: str
    sparsities: tuple[float, ...]
    since: float  # when it came there
    seen: float  # when the page looked last


class Ahead:
    """What is pruned ahead for all pages of an app. Safe to share."""

    def __init__(
        self, front: Workbench, back: Workbench, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._front, self._back, self._clock = front, back, clock
        self._lock = threading.RLock()
        self._pages: dict[str, _Cursor] = {}
        self._job: LiveJob | None = None
        self._page, self._begun = "", 0.0  # whose cursor the job is for, and when it was sent
        self._done: set[tuple[str, tuple[float, ...]]] = set()  # all of these are ready
        self._slow: set[str] = set()  # studies
        front.ahead = back.ahead = self

    def look(self, page: str, study: str, sparsities: tuple[float, ...]) -> None:
        """A page is open at a cursor, with these sparsities next to it, nearest first."""
        with self._lock:
            now = self._clock()
            self._pages = {
                name: cursor
                for name, cursor in self._pages.items()
                if cursor.seen > now - ABANDONED_AFTER
            }
            before = self._pages.get(page)
            stays = before is not None and (before.study, before.sparsities) == (study, sparsities)
            since = before.since if before is not None and stays else now
            cursor = self._pages[page] = _Cursor(study, sparsities, since, now)
            if (job := self._job) is not None and job.do == "ahead":
                if job.active:
                    self._go_on(job, page, cursor)
                    return
                self._end(job)
            self._begin(page, cursor)

    def _begin(self, page: str, cursor: _Cursor) -> None:
        """Prune what is next to a cursor, unless something is asked for."""
        where = (cursor.study, cursor.sparsities)
        settled = self._clock() - cursor.since >= SETTLED
        if not settled or where in self._done or cursor.study in self._slow:
            return
        if self._front.busy or self._back.busy:
            return
        self._page, self._begun = page, self._clock()
        self._job = self._back.submit(
            "ahead", study=cursor.study, sparsities=list(cursor.sparsities)
        )

    def _go_on(self, job: LiveJob, page: str, cursor: _Cursor) -> None:
        """Have the job go on, unless its own page has moved to where it is of no use."""
        if self._clock() - self._begun > LONGEST:
            self._slow.add(job.arguments["study"])
            self._drop(job)
        elif page != self._page:
            if self._page not in self._pages:
                self._drop(job)
        elif job.arguments["study"] == cursor.study and (
            job.level in cursor.sparsities or job.arguments["sparsities"] == list(cursor.sparsities)
        ):
            job.look()
        else:
            self._drop(job)

    def _drop(self, job: LiveJob) -> None:
        """Have a job stop; until it has, nobody takes it over."""
        self._back.drop(job)
        self._job = None

    def _end(self, job: LiveJob) -> None:
        """Note what came of a job; one that failed or found nothing left to prune is the last."""
        nothing_left = job.result is not None and job.result["sparsity"] is None
        if nothing_left or job.state == "failed":
            self._done.add((job.arguments["study"], tuple(job.arguments["sparsities"])))
        self._job = None

    @property
    def job(self) -> LiveJob | None:
        """What is pruned ahead now."""
        return self._running()

    def adopted(self, do: str, arguments: Mapping[str, Any]) -> LiveJob | None:
        """The job that prunes ahead what is asked to be pruned; it is the asker's from now on."""
        with self._lock:
            job = self._running()
            if job is None or do != "prune" or not _names(arguments, job):
                return None
            self._job, job.do, job.arguments = None, do, dict(arguments)
            job.look()
            return job

    def give_way(self, job: LiveJob) -> None:
        """Stop pruning ahead for a job that was asked for, unless that needs the same model."""
        with self._lock:
            own = self._running()
            if own is not None and not _names(job.arguments, own):
                self._drop(own)

    def _running(self) -> LiveJob | None:
        """The job, unless it has ended or the workbench is ending it."""
        job = self._job
        return job if job is not None and job.active and not job.reason else None


def _names(arguments: Mapping[str, Any], job: LiveJob) -> bool:
    """Whether a request names the model that a job prunes ahead."""
    named = [arguments, *arguments.get("victims", ())]
    model = (job.arguments["study"], job.level)
    return job.level is not None and any(
        (each.get("study"), each.get("sparsity")) == model for each in named
    )

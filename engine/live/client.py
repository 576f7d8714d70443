"""Jobs for the worker process, seen from the page: submit, poll, cancel. Light to import.

    bench = Workbench()
    job = bench.submit("attack", victims=[…], attack="deepwordbug", seed=0, text="…", label=None)
    while job.active: ...       # job.progress, job.steps grow
    job.result, job.reason      # one of them, afterwards

Requests are those of `prunescope.engine.live.requests`, and `check` and `preview` of a study's
settings.
"""

import contextlib
import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from prunescope.engine import paths
from prunescope.engine.progress import ProgressState

# seconds until the libraries are loaded early, so that a page that is being drawn has the cores
WARM_AFTER = 2.0
PATIENCE = 1.5  # seconds a cancelled job has to stop by itself before its worker is ended
# the same of a job that is dropped: its worker may be loading what the next one needs
LONG_PATIENCE = 60.0
# requests whose answer is worth nothing once nobody waits for it; what "ready" loads is of use to
# the next page too
AWAITED = ("attack", "transfer", "prune", "look", "ahead")
ABANDONED_AFTER = 15.0  # seconds without a look from a page
LOOK_EVERY = 1.0  # seconds between two searches for what is abandoned
ABANDONED = "It was stopped because the page that asked for it was closed or left."


@dataclass(slots=True)
class AttackSnapshot:
    """The state of the attack on one victim."""

    kind: str = ""  # of its last step: "start", "rank", "try"
    queries: int = 0
    text: str | None = None  # of those tried, the one that came closest to breaking the victim
    truth: float = 1.0  # the victim's probability of the true label for that text
    # (queries, lowest probability so far)
    path: list[tuple[int, float]] = field(default_factory=list)


@dataclass(slots=True)
class LiveJob:
    """One request, its progress and its result."""

    number: int
    do: str
    arguments: dict[str, Any]
    state: str = "queued"  # queued, running, done, failed, cancelled
    progress: ProgressState = field(default_factory=ProgressState)
    # (side, queries, lowest probability so far)
    steps: list[tuple[str, int, float]] = field(default_factory=list)
    result: dict[str, Any] | None = None
    reason: str = ""
    # by side, while it is attacked
    snapshots: dict[str, AttackSnapshot] = field(default_factory=dict)
    # by side, as soon as its attack has ended
    sides: dict[str, dict[str, Any]] = field(default_factory=dict)
    unready: list[str] = field(default_factory=list)  # sides that must be pruned first
    # by some of these, the side that is attacked while they are pruned
    stand_ins: dict[str, str] = field(default_factory=dict)
    level: float | None = None  # the sparsity that is pruned ahead
    seen: float = field(default_factory=time.monotonic)  # when a page last looked at it
    # finds the job again from a page's address
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def active(self) -> bool:
        """Whether it is queued or running."""
        return self.state in ("queued", "running")

    def look(self) -> None:
        """A page looks at it: somebody waits for its result."""
        self.seen = time.monotonic()


class GivesWay(Protocol):
    """Who uses workers while nothing is asked for, see `prunescope.engine.live.ahead`."""

    def adopted(self, do: str, arguments: dict[str, Any]) -> LiveJob | None:
        """The job that already does what is asked for."""

    def give_way(self, job: LiveJob) -> None:
        """Stop what would stand in the way of a job."""


class Workbench:
    """The owner of one worker process. Safe to share between the sessions of an app."""

    def __init__(self, cache: Path | str | None = None, nice: int = 0) -> None:
        """`nice` lowers the priority of the worker, as the operating system counts it."""
        self._cache, self._nice = Path(cache) if cache else paths.user_cache(), nice
        self.ahead: GivesWay | None = None
        self._process: subprocess.Popen[str] | None = None
        self._jobs: dict[int, LiveJob] = {}
        self._sent: dict[int, subprocess.Popen[str]] = {}  # which process has a job
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._warming = self._closed = self._watching = False

    def warm(self) -> None:
        """Start the worker and let it load its libraries, so that the first request does not wait
        for them.
        """
        with self._lock:
            if self._process is not None or self._warming:
                return
            self._warming = True  # until the worker says that it is warm
        timer = threading.Timer(WARM_AFTER, self._warm_now)
        timer.daemon = True
        timer.start()

    def _warm_now(self) -> None:
        with self._lock:
            if self._process is None and not self._closed:
                self._write({"warm": True})
            else:
                self._warming = False

    @property
    def busy(self) -> bool:
        """Whether it works on anything but what is pruned ahead."""
        with self._lock:
            waiting = (job.active and job.do != "ahead" for job in self._jobs.values())
            return self._warming or any(waiting)

    def submit(self, do: str, **arguments: Any) -> LiveJob:
        """Queue one request: `check`, `preview`, or one of `prunescope.engine.live.requests`.

        What is pruned ahead gives way to it, or is the job itself where it does the same.
        """
        if self.ahead is not None and (job := self.ahead.adopted(do, arguments)):
            return job
        job = self._submit(do, arguments)
        if self.ahead is not None and do != "ahead":
            self.ahead.give_way(job)
        return job

    def _submit(self, do: str, arguments: dict[str, Any]) -> LiveJob:
        with self._lock:
            job = LiveJob(next(self._numbers), do, arguments)
            self._jobs[job.number] = job
            self._send(job)
            if do in AWAITED and not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, daemon=True).start()
            for number in [n for n, old in self._jobs.items() if not old.active][:-50]:
                del self._jobs[number], self._sent[number]
        return job

    def find(self, token: str) -> LiveJob | None:
        """A job by its token; None where it is long over, or was another app's."""
        with self._lock:
            return next((job for job in self._jobs.values() if job.token == token), None)

    def _send(self, job: LiveJob) -> None:
        self._sent[job.number] = self._write({"id": job.number, "do": job.do, **job.arguments})

    def cancel(self, job: LiveJob) -> None:
        """Stop a job within two seconds; others in the queue go on."""
        self._stop(job, PATIENCE)

    def drop(self, job: LiveJob) -> None:
        """Stop a job that nobody waits for any more, at the next place where it can stop, so that
        the worker and what it has loaded stay.
        """
        self._stop(job, LONG_PATIENCE)

    def _stop(self, job: LiveJob, patience: float) -> None:
        with self._lock:
            if not job.active:
                return
            if self._process is not None and self._process.poll() is None:
                self._write({"cancel": job.number})
            if job.state == "queued":  # the worker is busy with another one, which goes on
                job.state = "cancelled"
                return
            timer = threading.Timer(patience, self._insist, args=(job,))
            timer.daemon = True
            timer.start()

    def _insist(self, job: LiveJob) -> None:
        with self._lock:
            if not job.active:
                return
            job.state = "cancelled"
            waiting = [other for other in self._jobs.values() if other.active]
            self._end()
            for other in waiting:  # they were behind the one that would not stop
                other.state = "queued"
                self._send(other)

    def _watch(self) -> None:
        """Cancel what nobody waits for any more, until nothing is left that somebody may await."""
        while True:
            time.sleep(LOOK_EVERY)
            with self._lock:
                awaited = [job for job in self._jobs.values() if job.active and job.do in AWAITED]
                if not awaited or self._closed:
                    self._watching = False
                    return
                since = time.monotonic() - ABANDONED_AFTER
                for job in awaited:
                    if job.seen < since and job.reason != ABANDONED:
                        job.reason = ABANDONED
                        self.drop(job)

    def close(self) -> None:
        """End the worker and whatever it started."""
        with self._lock:
            self._closed = True
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._warming = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _write(self, request: dict[str, Any]) -> subprocess.Popen[str]:
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            # it died since the last write; the reader has marked its jobs, this one is sent again
            self._process = None
            process = self._running()
            assert process.stdin is not None
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        return process

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            module = "prunescope.engine.live.worker"
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", module),
                    *("--cache", str(self._cache), "--nice", str(self._nice)),
                ],
                cwd=paths.PROJECT,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                encoding="utf-8",
                # idle threads leave the cores to page and browser
                env={"OMP_WAIT_POLICY": "PASSIVE", **paths.child_environment()},
            )
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self._process

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:  # its last words, cut short
                continue
            with self._lock:
                if event["event"] == "warmed":
                    self._warming = False
                elif (job := self._jobs.get(event["id"])) and self._sent.get(job.number) is process:
                    _apply(job, event)
        process.wait()
        with self._lock:
            _close_pipes(process)
            if self._process is process:
                self._process, self._warming = None, False
            for job in self._jobs.values():
                if job.active and self._sent.get(job.number) is process:  # nobody will answer these
                    code = process.returncode
                    job.state = "failed"
                    job.reason = f"The worker process ended unexpectedly (code {code}); try again."


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # what was still to be sent has no reader
            if pipe:
                pipe.close()


def _apply(job: LiveJob, event: dict[str, Any]) -> None:
    if not job.active:
        return
    match event["event"]:
        case "started":
            job.state = "running"
        case "progress":
            left = event.get("seconds_left")
            job.progress = ProgressState(event["stage"], event["done"], event["total"], left)
        case "step":
            job.steps.append((event["side"], event["queries"], event["lowest"]))
            _update(job.snapshots.setdefault(event["side"], AttackSnapshot()), event)
        case "side":
            job.sides[event["side"]] = event["result"]
        case "unready":
            job.unready, job.stand_ins = list(event["sides"]), dict(event["stand_ins"])
        case "level":
            job.level = event["sparsity"]
        case "done":
            job.state, job.result = "done", event["result"]
        case "failed":
            job.state, job.reason = "failed", event["reason"]
        case "cancelled":
            job.state = "cancelled"


def _update(snapshot: AttackSnapshot, event: dict[str, Any]) -> None:
    snapshot.kind, snapshot.queries = event.get("kind", ""), event["queries"]
    snapshot.path.append((event["queries"], event["lowest"]))
    if event.get("text") is not None and event["truth"] < snapshot.truth:
        snapshot.text, snapshot.truth = event["text"], event["truth"]

"""The supervisor: starts the workers of queued jobs, one per device, and records how they end.

It exits when the queue is empty.
"""

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from prunescope.engine import paths
from prunescope.engine.jobs.processes import PATIENCE, kill_group, killed_for_memory, start_time
from prunescope.engine.jobs.queue import INTERRUPTED, mark_if_dead
from prunescope.engine.jobs.rows import JobRow, JobTable
from prunescope.engine.store.locks import release_lock, try_lock

EVERY = 0.25  # seconds between two checks
IDLE = 2.0  # seconds without work after which it leaves


@dataclass(slots=True)
class Child:
    """A worker that this supervisor started."""

    row: JobRow
    process: subprocess.Popen[bytes]
    started: str  # its start time, "" where it was gone already
    killed_before: int  # for lack of memory, on this machine


class Supervisor:
    """Starts and ends workers, one `check` of the queue after the other."""

    def __init__(self, root: Path) -> None:
        self.root, self.rows = root, JobTable(root)
        self.me = (os.getpid(), start_time(os.getpid()))
        self.children: dict[str, Child] = {}

    def check(self) -> bool:
        """Start and end workers as the queue needs; returns whether any job is active."""
        for child in list(self.children.values()):
            self._check_child(child)
        active = self.rows.read("state in ('queued', 'running') and do = 'study'")
        for row in active:
            if row.state == "running" and row.id not in self.children:
                mark_if_dead(self.rows, row)
        taken = {row.slot for row in self.rows.read("state = 'running' and do = 'study'")}
        for row in active:
            if row.state == "queued" and row.slot not in taken:
                taken.add(row.slot)
                self._start(row)
        return bool(active)

    def _start(self, row: JobRow) -> None:
        ticket = secrets.token_hex(8)
        claim = {
            "ticket": ticket,
            "pid": None,
            "born": None,
            "holder": self.me[0],
            "holder_born": self.me[1],
        }
        if not self.rows.change(
            row.id,
            "state = 'queued'",
            state="running",
            started=time.time(),
            heard=time.monotonic(),
            tries=row.tries + 1,
            **claim,
        ):
            return  # cancelled meanwhile
        ours = {"OMP_WAIT_POLICY": "PASSIVE", **paths.child_environment()}
        try:
            with self.rows.log(row.id).open("ab") as log:
                module = "prunescope.engine.jobs.work"
                process = subprocess.Popen(
                    [sys.executable, "-m", module, "--cache", str(self.root), row.id, ticket],
                    env={**ours, **row.environment},
                    cwd=row.folder if Path(row.folder).is_dir() else paths.PROJECT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            self._end(row.id, "failed", f"The worker could not be started ({error.strerror}).")
            return
        started = start_time(process.pid) or ""
        self.children[row.id] = Child(row, process, started, killed_for_memory())

    def _check_child(self, child: Child) -> None:
        """Notice the end of a worker; end one that was cancelled and does not stop."""
        row = next(iter(self.rows.read("id = ?", child.row.id)), None)
        late = row is None or (
            row.cancelled is not None and time.monotonic() > row.cancelled + PATIENCE
        )
        if child.process.poll() is None and late and child.started:
            kill_group(child.process.pid, child.started)
            child.process.wait()
        if (code := child.process.poll()) is None:
            return
        kill_group(child.process.pid, child.started)  # what it may have started
        del self.children[child.row.id]
        if row is not None and row.state == "running":
            self._end(row.id, *_end_state(row, code, killed_for_memory() > child.killed_before))

    def _end(self, job: str, state: str, reason: str) -> None:
        self.rows.change(
            job, "state = 'running'", state=state, reason=reason, ended=time.time(), remaining=None
        )


def _end_state(row: JobRow, code: int, memory: bool) -> tuple[str, str]:
    """(state, reason) of a job whose worker ended without recording a result."""
    if row.cancelled is not None:
        return "cancelled", ""
    if code == -9 and memory:
        return "failed", out_of_memory(row)
    if code < 0:
        return "interrupted", INTERRUPTED
    return "failed", f"The worker ended with code {code} and no message; see the job's log."


def out_of_memory(row: JobRow) -> str:
    """The reason of a job that ran out of memory, with what to try."""
    sentences, levels = row.arguments.get("calibration", 0), len(row.arguments.get("levels", ()))
    fewer = f"`calibration={max(16, sentences // 2)}` instead of {sentences}"
    ways = [fewer] if sentences > 16 else []
    ways += ["fewer `levels` at a time"] if levels > 2 else []
    memory = f" at {row.memory / 1e9:.1f} GB" if row.memory else ""
    return (
        f"Memory ran out{memory}. What was finished is kept; try a smaller batch: "
        f"{' or '.join(ways) or 'a smaller model'}, or close other programs and resume."
    )


def supervise(root: Path) -> None:
    """Supervise the queue until it is empty, unless another process does."""
    supervisor, lock = Supervisor(root), root / "jobs" / "supervisor.lock"
    while (handle := try_lock(lock)) is not None:
        try:
            last = time.monotonic()
            while time.monotonic() < last + IDLE:
                if supervisor.check():
                    last = time.monotonic()
                time.sleep(EVERY)
        finally:
            release_lock(lock, handle)
        if not supervisor.rows.read("state = 'queued' and do = 'study'"):
            return  # nothing came between the last check and the release of the lock


def main() -> None:
    """Supervise the queue of one user's folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", required=True)
    with contextlib.suppress(KeyboardInterrupt):
        supervise(Path(parser.parse_args().cache))


if __name__ == "__main__":
    main()

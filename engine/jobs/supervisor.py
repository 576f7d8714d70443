"""The supervisor: starts the workers of queued jobs, one for each device, and sees how they end. It
leaves when nothing is left.
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
from prunescope.engine.jobs.queue import INTERRUPTED, notice
from prunescope.engine.jobs.rows import JobRow, JobTable
from prunescope.engine.store.locks import release_lock, try_lock

EVERY = 0.25  # seconds between two looks
IDLE = 2.0  # seconds without work after which it leaves


@dataclass(slots=True)
class Child:
    """A worker that this supervisor started."""

    row: JobRow
    process: subprocess.Popen[bytes]
    born: str
    killed_before: int  # for lack of memory, on this machine


class Supervisor:
    """One look at the queue after the other."""

    def __init__(self, root: Path) -> None:
        self.root, self.rows = root, JobTable(root)
        self.me = (os.getpid(), start_time(os.getpid()))
        self.children: dict[str, Child] = {}

    def look(self) -> bool:
        """Do what is due now; whether there is anything to come back for."""
        for child in list(self.children.values()):
            self._see(child)
        active = self.rows.read("state in ('queued', 'running') and do = 'study'")
        for row in active:
            if row.state == "running" and row.id not in self.children:
                notice(self.rows, row)
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
        import_paths = [str(paths.PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            "OMP_WAIT_POLICY": "PASSIVE",
            **os.environ,
            **row.environment,
            "PYTHONPATH": os.pathsep.join(import_paths),
        }
        try:
            with self.rows.log(row.id).open("ab") as log:
                process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "prunescope.engine.jobs.work",
                        "--cache",
                        str(self.root),
                        row.id,
                        ticket,
                    ],
                    env=environment,
                    cwd=row.folder if Path(row.folder).is_dir() else paths.PROJECT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            self._end(row.id, "failed", f"The worker could not be started ({error.strerror}).")
            return
        self.children[row.id] = Child(
            row, process, start_time(process.pid) or "", killed_for_memory()
        )

    def _see(self, child: Child) -> None:
        """Notice the end of a worker; end one that was cancelled and does not stop."""
        row = next(iter(self.rows.read("id = ?", child.row.id)), None)
        late = row is None or (
            row.cancelled is not None and time.monotonic() > row.cancelled + PATIENCE
        )
        if child.process.poll() is None and late and child.born:
            kill_group(child.process.pid, child.born)
            child.process.wait()
        if (code := child.process.poll()) is None:
            return
        kill_group(child.process.pid, child.born)  # what it may have started
        del self.children[child.row.id]
        if row is not None and row.state == "running":
            self._end(row.id, *_how(row, code, killed_for_memory() > child.killed_before))

    def _end(self, job: str, state: str, reason: str) -> None:
        self.rows.change(
            job, "state = 'running'", state=state, reason=reason, ended=time.time(), remaining=None
        )


def _how(row: JobRow, code: int, memory: bool) -> tuple[str, str]:
    """(state, reason) of a job whose worker ended without a word."""
    if row.cancelled is not None:
        return "cancelled", ""
    if code == -9 and memory:
        return "failed", out_of_memory(row)
    if code < 0:
        return "interrupted", INTERRUPTED
    return "failed", f"The worker ended with code {code} and said nothing; its log may."


def out_of_memory(row: JobRow) -> str:
    """What a person is told when memory ran out."""
    sentences, levels = row.arguments.get("calibration", 0), len(row.arguments.get("levels", ()))
    ways = (
        [f"--calibration {max(16, sentences // 2)} instead of {sentences}"]
        if sentences > 16
        else []
    )
    ways += ["fewer --levels at a time"] if levels > 2 else []
    held = f" at {row.memory / 1e9:.1f} GB" if row.memory else ""
    return (
        f"Memory ran out{held}. What was finished is kept; try a smaller batch: "
        f"{' or '.join(ways) or 'a smaller model'}, or "
        "close other programs and resume."
    )


def keep(root: Path) -> None:
    """Keep the queue until it is empty, unless another supervisor does."""
    supervisor, lock = Supervisor(root), root / "jobs" / "supervisor.lock"
    while (handle := try_lock(lock)) is not None:
        try:
            last = time.monotonic()
            while time.monotonic() < last + IDLE:
                if supervisor.look():
                    last = time.monotonic()
                time.sleep(EVERY)
        finally:
            release_lock(lock, handle)
        if not supervisor.rows.read(
            "state = 'queued' and do = 'study'"
        ):  # nothing came between the last look and letting go
            return


def main() -> None:
    """Keep the queue of one user's folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", required=True)
    with contextlib.suppress(KeyboardInterrupt):
        keep(Path(parser.parse_args().cache))


if __name__ == "__main__":
    main()

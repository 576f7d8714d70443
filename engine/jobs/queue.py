"""The queue as pages and the command line see it: submit, cancel, resume, remove. Light to import.

queue = JobQueue()
row = queue.submit(StudySpec(levels=(0.0, 0.5)))
queue.row(row.id).state     # the job goes on when this process ends
"""

import contextlib
import os
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from prunescope.engine import paths
from prunescope.engine.errors import StoreError
from prunescope.engine.jobs.processes import PATIENCE, end_group, is_alive, kill_group
from prunescope.engine.jobs.rows import ENDED, JobRow, JobTable
from prunescope.engine.paths import expanded
from prunescope.engine.reading.names import spec_title
from prunescope.engine.records import StudySpec
from prunescope.engine.store.locks import release_lock, try_lock

PASSED_ON = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "MKL_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "PRUNESCOPE_DATA",
    "PRUNESCOPE_SHARED",
    "NLTK_DATA",
)
INTERRUPTED = (
    "Its process ended before it was done (the machine stopped, or the process was "
    "killed). What was finished is kept."
)


class JobQueue:
    """The jobs of one user's folder. Any number of processes may hold one."""

    def __init__(self, cache: Path | str | None = None) -> None:
        self.root = (expanded(cache) if cache else paths.user_cache()).resolve()
        self._rows = JobTable(self.root)

    def submit(self, spec: StudySpec, expected: float | None = None, sweep: str = "") -> JobRow:
        """Queue a study, unless one with the same settings is queued or running already."""
        spec = spec.rooted()  # it may be run from another folder, and asked for from a third
        arguments = asdict(spec) | {"levels": list(spec.levels)}
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        job = self._rows.add(
            lambda row: row.do == "study" and row.arguments == arguments,
            id=secrets.token_hex(6),
            do="study",
            title=spec_title(spec),
            arguments=arguments,
            slot=slot_of(spec.device),
            state="queued",
            created=time.time(),
            expected=expected,
            sweep=sweep,
            folder=os.getcwd(),
            environment=passed,
        )
        self.start()
        return self.row(job)

    def start(self) -> None:
        """Start a supervisor, unless there is one."""
        if (handle := try_lock(lock := self._rows.folder / "supervisor.lock")) is None:
            return
        release_lock(lock, handle)
        with (self._rows.folder / "supervisor.log").open("ab") as log:
            module = "prunescope.engine.jobs.supervisor"
            process = subprocess.Popen(
                [sys.executable, "-m", module, "--cache", str(self.root)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=paths.PROJECT,
                env=paths.child_environment(),
            )
        # it may end before this process does
        threading.Thread(target=process.wait, daemon=True).start()

    def rows(self) -> list[JobRow]:
        """Every job, oldest first. Jobs whose worker died are marked here."""
        rows = self._rows.read()
        running = [
            row for row in rows if row.state == "running" or (row.active and row.do != "study")
        ]
        marked = [mark_if_dead(self._rows, row) for row in running]
        return self._rows.read() if any(marked) else rows

    def row(self, job: str) -> JobRow:
        """One job by its id or the id's first digits. Raises StoreError where there is none."""
        matches = [row for row in self.rows() if job and row.id.startswith(job)]
        if len(matches) != 1:
            raise StoreError(
                f"{len(matches) or 'No'} jobs begin with {job[:40]!r}; `prunescope jobs "
                "list` shows them."
            )
        return matches[0]

    def cancel(self, job: str) -> JobRow:
        """Stop a job within two seconds, with whatever it started. What it finished is kept."""
        row = self.row(job)
        if row.do != "study" and row.active:
            raise StoreError(
                f"The job {row.id} belongs to a sweep on a cluster; stop the command that runs the "
                "sweep."
            )
        if self._rows.change(row.id, "state = 'queued'", state="cancelled", ended=time.time()):
            return self.row(row.id)
        if self._rows.change(row.id, "state = 'running'", cancelled=time.monotonic()):
            row = self._with_process_id(row)
            if row.state == "running" and row.pid is not None and row.born is not None:
                end_group(row.pid, row.born)
            self._rows.change(row.id, "state = 'running'", state="cancelled", ended=time.time())
        self.start_if_due()
        return self.row(row.id)

    def _with_process_id(self, row: JobRow) -> JobRow:
        """The row once its worker has written its process number, which it does at once."""
        end = time.monotonic() + PATIENCE
        while row.state == "running" and row.pid is None and time.monotonic() < end:
            time.sleep(0.05)
            row = self.row(row.id)
        return row

    def resume(self, job: str) -> JobRow:
        """Queue a job again that failed, was cancelled or interrupted; it goes on with what is not
        in the store yet.
        """
        row = self.row(job)
        if row.do != "study":
            raise StoreError(
                f"The job {row.id} belongs to a sweep on a cluster; start the same sweep again, it "
                "goes on."
            )
        if not self._rows.change(
            row.id,
            "state in ('failed', 'cancelled', 'interrupted')",
            state="queued",
            reason="",
            stage="",
            done=0,
            total=0,
            remaining=None,
            started=None,
            ended=None,
            pid=None,
            born=None,
            cancelled=None,
            ticket=None,
        ):
            raise StoreError(
                f"The job {row.id} is {row.state}; only one that failed, was cancelled or "
                "interrupted can go on."
            )
        self.start()
        return self.row(row.id)

    def remove(self, job: str) -> None:
        """Forget a job and its log; its study stays. Raises StoreError for one that is queued or
        running.
        """
        row = self.row(job)
        if not self._rows.remove(row.id):
            raise StoreError(f"The job {row.id} is {row.state}; cancel it first.")
        self._rows.log(row.id).unlink(missing_ok=True)

    def log(self, job: str, most: int = 20_000) -> str:
        """The last `most` bytes of what a job has said."""
        path = self._rows.log(self.row(job).id)
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            return file.read().decode("utf-8", errors="replace")
        return ""

    def start_if_due(self) -> None:
        """Start a supervisor where jobs wait for one, as after the machine was started anew."""
        if self._rows.read("state = 'queued' and do = 'study'"):
            self.start()

    @staticmethod
    def waiting(row: JobRow, rows: list[JobRow]) -> tuple[int, float | None]:
        """(how many jobs are before a queued one on its device, seconds until its turn); None where
        nothing tells them.
        """
        # by rows, whatever the clock says
        index = next(index for index, other in enumerate(rows) if other.id == row.id)
        before = [
            other
            for position, other in enumerate(rows)
            if other.slot == row.slot
            and other.do == "study"
            and (other.state == "running" or (other.state == "queued" and position < index))
        ]
        times = [other.expected if other.remaining is None else other.remaining for other in before]
        return len(before), None if None in times else sum(
            time for time in times if time is not None
        )


def mark_if_dead(rows: JobTable, row: JobRow) -> bool:
    """Whether a running job's process is gone; then it is marked interrupted, or cancelled where
    that was wanted.
    """
    if is_alive(row.pid, row.born):
        return False
    if (row.holder != os.getpid() or row.do != "study") and is_alive(row.holder, row.holder_born):
        return False  # it is the parent, and knows how the worker ended
    if row.pid is not None and row.born is not None:
        kill_group(row.pid, row.born)  # what it started goes with it
    state, reason = ("interrupted", INTERRUPTED) if row.cancelled is None else ("cancelled", "")
    return rows.change(
        row.id,
        "state = ? and ticket is ? and pid is ?",
        row.state,
        row.ticket,
        row.pid,
        state=state,
        reason=reason,
        ended=time.time(),
        remaining=None,
    )


def slot_of(device: str) -> str:
    """The device a job takes; `auto` is the first CUDA card where there is one. Asked without
    loading PyTorch.
    """
    if device == "auto":
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
        return "cuda:0" if not hidden and Path("/dev/nvidia0").exists() else "cpu"
    return "cuda:0" if device == "cuda" else device


__all__ = ["ENDED", "JobQueue", "JobRow", "mark_if_dead", "slot_of"]

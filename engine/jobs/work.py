"""The worker process of one job: records its process id, runs the study, and records the result."""

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from prunescope.engine.config.environment import quiet_libraries
from prunescope.engine.errors import InterruptedStudy, PruneScopeError
from prunescope.engine.jobs.processes import memory_of, start_time
from prunescope.engine.jobs.rows import JobRow, JobTable
from prunescope.engine.jobs.supervisor import out_of_memory
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies.events import StudyOpened

EVERY = 0.5  # seconds between two heartbeats
OURS = "state = 'running' and ticket = ?"
DEFECT = "Something went wrong inside PruneScope; the job's log has the details."


class Work:
    """One attempt at one job."""

    def __init__(self, root: Path, job: str, ticket: str) -> None:
        self.root, self.job, self.ticket, self.rows = root, job, ticket, JobTable(root)
        self.lost = False  # the row belongs to someone else, or is to be cancelled
        self.columns: dict[str, Any] = {}  # of the row, to be written with the next heartbeat
        self.report = Progress(self._note, self._on_event)
        self.logged = 0.0  # when progress was last written into the log

    def begin(self) -> JobRow | None:
        """Record this process's id; None where the job no longer belongs to this worker."""
        me = os.getpid()
        if not self.rows.change(
            self.job, OURS, self.ticket, pid=me, born=start_time(me), heard=time.monotonic()
        ):
            return None
        threading.Thread(target=self._send_heartbeats, daemon=True).start()
        return self.rows.read("id = ?", self.job)[0]

    def _send_heartbeats(self) -> None:
        while not self.lost:
            try:
                ours = self.rows.change(
                    self.job,
                    f"{OURS} and cancelled is null",
                    self.ticket,
                    heard=time.monotonic(),
                    memory=memory_of(os.getpid()),
                    **self.columns,
                )
                self.lost = not ours
            except PruneScopeError as error:
                # a full disk: the work itself will say so if it cannot go on
                print(error, file=sys.stderr, flush=True)
            time.sleep(EVERY)

    def _note(self, state: ProgressState) -> None:
        """Put progress into the row with the next heartbeat, and into the log every few seconds."""
        if self.lost:
            raise InterruptedStudy("cancelled")
        if state.of_whole:
            done, total, remaining = state.done, state.total, state.seconds_left
        else:  # loading has a count of its own, which is no share of the work
            done, total, remaining = 0, 0, None
        self.columns = {
            "stage": state.stage,
            "done": done,
            "total": total,
            "remaining": remaining,
        }
        if time.monotonic() > self.logged + 5 or state.done >= state.total > 0:
            self.logged = time.monotonic()
            percent = 100 * state.done // max(state.total, 1)
            line = f"{time.strftime('%H:%M:%S')} {percent:3d}% {state.stage}"
            print(line, file=sys.stderr, flush=True)

    def _on_event(self, event: object) -> None:
        """Name the study in the row, so that a page can show its levels while they come."""
        if isinstance(event, StudyOpened):
            self.rows.change(self.job, OURS, self.ticket, study=event.study.key)

    def do(self, row: JobRow) -> None:
        """Run the study of a job, and record how it ended."""
        try:
            from prunescope.engine.studies.run import run_study

            spec = StudySpec(**{**row.arguments, "levels": tuple(row.arguments["levels"])})
            store = Store(self.root)
            study = run_study(spec, store, self.report)
            for notice in store.notices:
                print(notice, file=sys.stderr)
            self.end("done", study=study.key, done=1, total=1)
        except (InterruptedStudy, KeyboardInterrupt):
            cancelled = self.rows.read("id = ? and cancelled is not null", self.job)
            self.end("cancelled") if cancelled else self.end(
                "interrupted", "It was told to stop. What was finished is kept."
            )
        except PruneScopeError as error:
            print(error, file=sys.stderr)
            self.end("failed", str(error))
        except Exception as error:  # the page says so, the log has the trace
            traceback.print_exc()
            rows = self.rows.read("id = ?", self.job)
            self.end("failed", out_of_memory(rows[0]) if rows and ran_out(error) else DEFECT)

    def end(self, state: str, reason: str = "", **more: Any) -> None:
        """Write how it ended, with further columns."""
        self.lost = True
        columns = self.columns | {"remaining": None} | more
        self.rows.change(
            self.job,
            OURS,
            self.ticket,
            state=state,
            reason=reason,
            ended=time.time(),
            **columns,
        )


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out; PyTorch on the CPU has no type for it."""
    phrases = (
        "not enough memory",
        "can't allocate memory",
        "out of memory",
        "Cannot allocate memory",
    )
    return isinstance(error, MemoryError) or any(words in str(error) for words in phrases)


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt  # not an Exception, so no library on the way can swallow it


def main() -> None:
    """Do one job of the queue of one user's folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", required=True)
    parser.add_argument("job")
    parser.add_argument("ticket")
    options = parser.parse_args()
    quiet_libraries()
    signal.signal(signal.SIGTERM, _stop)
    work = Work(Path(options.cache), options.job, options.ticket)
    if (row := work.begin()) is not None:
        work.do(row)


if __name__ == "__main__":
    main()

"""Made-up workers, and how tests wait for them."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from prunescope.engine.jobs.queue import JobQueue
from prunescope.engine.jobs.rows import JobRow
from prunescope.engine.records import StudySpec

# Stands in for `python -m prunescope.engine.jobs.work`: what it does is the seed of the study.
# Everything else is the real program.
MADE_UP = """#!{python}
import os, signal, subprocess, sys, time
sys.path.insert(0, {project!r})
from pathlib import Path
if sys.argv[1:3] == ["-m", "prunescope.engine.jobs.supervisor"]:
    from prunescope.engine.jobs import supervisor
    sys.executable, sys.argv = __file__, sys.argv[2:]
    sys.exit(supervisor.main())
from prunescope.engine.jobs import work
from prunescope.engine.progress import WHOLE
one = work.Work(Path(sys.argv[4]), sys.argv[5], sys.argv[6])
row = one.begin()
if row is None: sys.exit(0)
do = row.arguments["seed"]
print("hello from", do, flush=True)
def stop(*_): raise KeyboardInterrupt
signal.signal(signal.SIGTERM, stop)
try:
    if do == 0: one.end("done", study="a" * 64)
    if do == 1:  # works until it is told to stop, and stops at once
        for step in range(10**6): one.report("step", 200 * step, WHOLE); time.sleep(0.02)
    if do == 2:  # does not listen, and has a child that does not either
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(sys.argv[4], "child").write_text(str(child.pid)); time.sleep(600)
    if do == 3: os.kill(os.getpid(), signal.SIGKILL)
    if do == 4: os._exit(5)
    if do == 5: time.sleep(0.4); one.end("done", study="b" * 64)
except (work.InterruptedStudy, KeyboardInterrupt):
    was_cancelled = one.rows.read("id = ? and cancelled is not null", one.job)
    one.end("cancelled" if was_cancelled else "interrupted")
"""
DONE, LONG, DEAF, KILLED, CRASHED, SHORT = range(6)


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Poll until something holds; the limit only ends a test that would hang."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def ask(queue: JobQueue, seed: int, **more: object) -> JobRow:
    """Queue a made-up job that behaves as `seed` says."""
    return queue.submit(StudySpec(seed=seed, **{"device": "cpu", **more}))  # type: ignore[arg-type]


def ended(queue: JobQueue, row: JobRow) -> JobRow:
    until(lambda: not queue.row(row.id).active)
    return queue.row(row.id)


def running(queue: JobQueue, row: JobRow) -> JobRow:
    until(lambda: queue.row(row.id).pid is not None)
    found = queue.row(row.id)
    assert found.state == "running"
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def end_everything(queue: JobQueue) -> None:
    """End the supervisor and the workers of a queue, as at the end of a test."""
    if queue._rows.path.is_file():
        with sqlite3.connect(queue._rows.path) as database:
            database.execute("update jobs set state = 'cancelled' where state = 'queued'")
        database.close()
        for row in queue._rows.read("state = 'running' and do = 'study'"):
            queue.cancel(row.id)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"prunescope.engine.jobs.supervisor" in words and str(queue.root).encode() in words:
            os.kill(int(folder.name), signal.SIGKILL)
            until(lambda pid=int(folder.name): not alive(pid))  # type: ignore[misc]

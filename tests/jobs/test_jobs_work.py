"""How a worker tells the end of its work."""

import os
from pathlib import Path
from typing import Any

import pytest

import prunescope.engine.studies.run
from prunescope.engine.errors import DataError, InterruptedStudy, StoreError
from prunescope.engine.jobs.queue import JobQueue
from prunescope.engine.jobs.rows import JobRow
from prunescope.engine.jobs.work import DEFECT, Work, ran_out
from prunescope.engine.progress import WHOLE, Progress
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.studies.events import StudyOpened


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a worker in this process whose study ends as `how` says; the row afterwards."""
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    # no heartbeat changes the row meanwhile
    monkeypatch.setattr(Work, "_send_heartbeats", lambda self: None)

    def ended(how: BaseException | Study, **values: Any) -> JobRow:
        def made_up(spec: StudySpec, store: Any, report: Progress) -> Study:
            assert spec == StudySpec(device="cpu")
            report("50%: attack", WHOLE // 4, WHOLE)
            report.emit(StudyOpened(Study("e" * 64, {}, {}), ()))
            if isinstance(how, Study):
                return how
            raise how

        monkeypatch.setattr(prunescope.engine.studies.run, "run_study", made_up)
        queue = JobQueue(tmp_path)
        row = queue.submit(StudySpec(device="cpu"))
        queue._rows.change(row.id, "1", state="running", ticket="t")
        work = Work(queue.root, row.id, "t")
        begun = work.begin()
        assert begun is not None and begun.pid == os.getpid()
        queue._rows.change(row.id, "1", **values) if values else None
        work.do(begun)
        return queue._rows.read("id = ?", row.id)[0]

    return ended


def test_a_study_that_is_done_is_named(ended: Any) -> None:
    row = ended(Study("f" * 64, {}, {}))
    assert (row.state, row.study, row.share, row.reason) == ("done", "f" * 64, 1.0, "")


@pytest.mark.parametrize(
    "error", [DataError("The file has no label column."), StoreError("The disk is full.")]
)
def test_what_the_engine_refuses_is_the_reason(ended: Any, error: Exception) -> None:
    row = ended(error)
    assert (row.state, row.reason, row.study) == ("failed", str(error), "e" * 64)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you "
            "tried"
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_memory_that_ran_out_says_what_to_make_smaller(
    ended: Any, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    row = ended(error, memory=3_100_000_000)
    assert (
        row.state == "failed"
        and "at 3.1 GB" in row.reason
        and "`calibration=256` instead of 512" in row.reason
    )
    assert "\n" not in row.reason and "Traceback" in capsys.readouterr().err


def test_a_defect_of_ours_is_in_the_log_and_the_row_says_so(
    ended: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    row = ended(ZeroDivisionError("division by zero"))
    assert (row.state, row.reason) == (
        "failed",
        DEFECT,
    ) and "ZeroDivisionError" in capsys.readouterr().err
    assert not ran_out(ValueError("memory of a film"))


@pytest.mark.parametrize(("cancelled", "state"), [(5.0, "cancelled"), (None, "interrupted")])
@pytest.mark.parametrize("error", [InterruptedStudy("cancelled"), KeyboardInterrupt()])
def test_who_is_told_to_stop_says_whether_it_was_wanted(
    ended: Any, error: BaseException, cancelled: Any, state: str
) -> None:
    assert ended(error, cancelled=cancelled).state == state


def test_a_worker_with_an_old_ticket_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    queue = JobQueue(tmp_path)
    row = queue.submit(StudySpec())
    queue._rows.change(row.id, "1", state="running", ticket="new")
    assert Work(queue.root, row.id, "old").begin() is None
    assert queue._rows.read("id = ?", row.id)[0].pid is None


def test_a_report_stops_the_work_once_the_job_is_lost(tmp_path: Path) -> None:
    work = Work(tmp_path, "job", "ticket")
    work.report("load data", 1, 2)
    columns = work.columns
    assert (columns["done"], columns["total"], columns["remaining"]) == (0, 0, None)
    work.report("attack", WHOLE // 4, WHOLE)
    columns = work.columns
    assert (columns["stage"], 4 * columns["done"], columns["total"]) == ("attack", WHOLE, WHOLE)
    work.lost = True
    with pytest.raises(InterruptedStudy):
        work.report("attack", WHOLE // 4 + 1, WHOLE)

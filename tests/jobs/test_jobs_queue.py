"""The queue with made-up workers: states, slots, cancelling, deaths, resuming."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from made_up_workers import (
    CRASHED,
    DEAF,
    DONE,
    KILLED,
    LONG,
    SHORT,
    alive,
    ask,
    ended,
    running,
    until,
)

from prunescope.engine.errors import StoreError
from prunescope.engine.jobs import supervisor
from prunescope.engine.jobs.processes import end_group, is_alive, start_time
from prunescope.engine.jobs.queue import JobQueue, mark_if_dead, slot_of
from prunescope.engine.progress import WHOLE
from prunescope.engine.records import StudySpec
from prunescope.engine.store.locks import release_lock, try_lock


def test_a_job_is_done_and_the_row_says_so(queue: JobQueue) -> None:
    row = ended(queue, ask(queue, DONE))
    assert (row.state, row.study, row.share, row.tries, row.reason) == (
        "done",
        "a" * 64,
        1.0,
        1,
        "",
    )
    assert row.started is not None and row.ended is not None
    assert queue.log(row.id) == "hello from 0\n"


def test_a_job_goes_on_when_everyone_who_asked_for_it_is_gone(queue: JobQueue) -> None:
    program = (
        "import sys; sys.executable = sys.argv[1]\n"
        "from prunescope.engine import JobQueue, StudySpec\n"
        "print(JobQueue(sys.argv[2]).submit(StudySpec(seed=5, device='cpu')).id)"
    )
    python = str(Path(sys.executable).read_text().splitlines()[0][2:])
    asked = subprocess.run(
        [python, "-c", program, sys.executable, str(queue.root)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended(queue, queue.row(asked.stdout.strip())).state == "done"


def test_one_device_does_one_job_at_a_time_in_order_and_tells_how_many_are_before(
    queue: JobQueue,
) -> None:
    first = running(queue, ask(queue, LONG))
    second, third = ask(queue, DONE), ask(queue, SHORT)
    elsewhere = ask(queue, SHORT, device="cuda:7")
    assert ended(queue, elsewhere).state == "done"  # another device waits for nobody
    rows = queue.rows()
    assert [row.state for row in rows] == ["running", "queued", "queued", "done"]
    assert [JobQueue.waiting(row, rows)[0] for row in rows[1:3]] == [1, 2]
    queue.cancel(first.id)
    assert ended(queue, third).state == "done"
    second = queue.row(second.id)
    assert second.state == "done" and second.ended <= queue.row(third.id).started + 1  # type: ignore[operator]


def test_what_waits_knows_when_its_turn_is_as_far_as_that_is_known(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    for seed, expected in ((0, 60.0), (1, 30.0), (2, None), (3, 5.0)):
        queue.submit(StudySpec(seed=seed, device="cpu"), expected)
    rows = queue.rows()
    assert [JobQueue.waiting(row, rows) for row in rows] == [
        (0, 0.0),
        (1, 60.0),
        (2, 90.0),
        (3, None),
    ]


def test_the_same_study_is_not_queued_twice(queue: JobQueue) -> None:
    first = running(queue, ask(queue, LONG))
    assert ask(queue, LONG).id == first.id and len(queue.rows()) == 1
    assert ask(queue, LONG, calibration=9).id != first.id


def test_of_many_who_ask_for_the_same_at_once_one_is_queued(queue: JobQueue) -> None:
    running(queue, ask(queue, LONG))
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda _: ask(JobQueue(queue.root), SHORT).id, range(16)))
    assert len(set(asked)) == 1 and len(queue.rows()) == 2


def test_a_name_that_counts_from_the_folder_one_is_in_is_written_whole(
    queue: JobQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    first = ask(queue, LONG, data="data")
    assert first.arguments["data"] == str(tmp_path / "one" / "data")
    assert first.arguments["model"] == "embedded"
    monkeypatch.chdir(tmp_path / "two")
    assert ask(queue, LONG, data="./data").id != first.id


def test_progress_is_in_the_row(queue: JobQueue) -> None:
    row = ask(queue, LONG)
    until(lambda: queue.row(row.id).done > 0)
    row = queue.row(row.id)
    assert (row.stage, row.total) == ("step", WHOLE) and 0 < row.share < 1
    until(lambda: queue.row(row.id).remaining is not None)
    assert row.memory > 1_000_000 or sys.platform != "linux"


# Cancelling


def test_a_running_job_stops_and_leaves_no_process(queue: JobQueue) -> None:
    row = running(queue, ask(queue, LONG))
    after = queue.cancel(row.id)
    assert after.state == "cancelled" and row.pid is not None and not alive(row.pid)


def test_a_job_that_does_not_listen_is_ended_with_all_it_started(queue: JobQueue) -> None:
    row = running(queue, ask(queue, DEAF))
    until(lambda: (queue.root / "child").is_file() and (queue.root / "child").read_text() != "")
    child = int((queue.root / "child").read_text())
    assert alive(child)
    assert queue.cancel(row.id).state == "cancelled"
    until(lambda: not alive(child))
    assert row.pid is not None and not alive(row.pid)


def test_the_keeper_ends_what_was_cancelled_by_someone_who_died_over_it(queue: JobQueue) -> None:
    row = running(queue, ask(queue, DEAF))
    queue._rows.change(row.id, "state = 'running'", cancelled=time.monotonic())
    assert ended(queue, row).state == "cancelled"
    until(lambda: row.pid is not None and not alive(row.pid))


def test_a_waiting_job_is_cancelled_without_a_worker(queue: JobQueue) -> None:
    running(queue, ask(queue, LONG))
    waiting = ask(queue, DONE)
    assert queue.cancel(waiting.id).state == "cancelled" and queue.row(waiting.id).tries == 0


def test_what_is_done_stays_done(queue: JobQueue) -> None:
    row = ended(queue, ask(queue, DONE))
    assert queue.cancel(row.id).state == "done"
    with pytest.raises(StoreError, match="is done; only one that failed"):
        queue.resume(row.id)


# Deaths


def test_a_killed_worker_is_noticed_its_job_can_go_on_and_those_behind_it_do(
    queue: JobQueue,
) -> None:
    row, behind = ask(queue, KILLED), ask(queue, DONE)
    row = ended(queue, row)
    assert row.state == "interrupted" and "What was finished is kept" in row.reason
    assert ended(queue, behind).state == "done"
    again = queue.resume(row.id)
    assert again.state == "queued" and again.reason == ""
    assert ended(queue, again).tries == 2


def test_a_worker_that_fails_without_a_word_is_a_failed_job(queue: JobQueue) -> None:
    row = ended(queue, ask(queue, CRASHED))
    assert row.state == "failed" and "code 5" in row.reason


def test_a_worker_killed_for_lack_of_memory_is_a_failed_job_that_says_what_to_do(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the supervisor runs here, where the kernel's count is made up
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    counts = iter(range(100))
    monkeypatch.setattr(supervisor, "killed_for_memory", lambda: next(counts))
    row, kept = ask(queue, KILLED), supervisor.Supervisor(queue.root)
    until(lambda: not kept.check())
    row = queue.row(row.id)
    assert row.state == "failed" and row.reason.startswith("Memory ran out")
    assert (
        "`calibration=256` instead of 512" in row.reason
        and "fewer `levels` at a time" in row.reason
    )


def test_work_goes_on_under_a_new_keeper_when_the_old_one_is_killed(queue: JobQueue) -> None:
    row = running(queue, ask(queue, LONG))
    assert row.holder is not None
    os.kill(row.holder, signal.SIGKILL)
    until(lambda: not alive(row.holder))  # type: ignore[arg-type]
    behind = ask(queue, DONE)
    assert queue.row(row.id).state == "running" and queue.row(behind.id).state == "queued"
    assert row.pid is not None
    # nobody's child any more; the new supervisor sees it by its number and birth
    os.killpg(row.pid, signal.SIGKILL)
    assert ended(queue, row).state == "interrupted"
    assert ended(queue, behind).state == "done"


def test_a_number_that_was_given_anew_is_not_the_worker(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    row = ask(queue, LONG)
    bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        queue._rows.change(
            row.id, "1", state="running", pid=bystander.pid, born="another boot/1", ticket="t"
        )
        assert queue.row(row.id).state == "interrupted"
        queue._rows.change(row.id, "1", state="running", pid=bystander.pid, born="another boot/1")
        assert queue.cancel(row.id).state in ("cancelled", "interrupted")
        end_group(bystander.pid, "another boot/1")
        assert bystander.poll() is None  # it belongs to someone else
        assert is_alive(bystander.pid, start_time(bystander.pid))
    finally:
        bystander.kill()
        bystander.wait()
    assert start_time(bystander.pid) is None


def test_a_worker_that_lost_its_job_leaves_it_alone(queue: JobQueue) -> None:
    row = running(queue, ask(queue, LONG))
    queue._rows.change(row.id, "1", ticket="another try")
    until(lambda: row.pid is not None and not alive(row.pid))
    assert queue.row(row.id).ticket == "another try"


def test_a_row_that_changed_since_it_was_read_is_not_marked_dead(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    row = ask(queue, LONG)
    queue._rows.change(row.id, "1", state="running", pid=999_999_999, born="x", ticket="old")
    seen = queue._rows.read("id = ?", row.id)[0]
    queue._rows.change(row.id, "1", ticket="new", pid=os.getpid(), born=start_time(os.getpid()))
    assert not mark_if_dead(queue._rows, seen)
    assert queue.row(row.id).state == "running"


def test_a_clock_that_jumps_kills_nobody(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    row = running(queue, ask(queue, LONG))
    for jump in (-1e9, 1e9):
        monkeypatch.setattr("prunescope.engine.jobs.queue.time.time", lambda jump=jump: jump)
        assert queue.row(row.id).state == "running"
    rows = queue.rows()
    monkeypatch.setattr("prunescope.engine.jobs.queue.time.time", lambda: 0.0)
    later = ask(queue, DONE)
    # its place is that of its row, not of its date
    assert JobQueue.waiting(later, [*rows, later])[0] == 1


# The list itself


def test_one_keeper_is_enough(queue: JobQueue) -> None:
    lock = queue._rows.folder / "supervisor.lock"
    row = running(queue, ask(queue, LONG))
    assert try_lock(lock) is None
    for _ in range(3):
        queue.start()
    assert queue.row(row.id).holder == row.holder
    queue.cancel(row.id)
    # it leaves when nothing is left
    until(lambda: (held := try_lock(lock)) is not None and release_lock(lock, held) is None)


def test_a_job_is_found_by_the_first_digits_of_its_id_and_forgotten_with_its_log(
    queue: JobQueue,
) -> None:
    row = ended(queue, ask(queue, DONE))
    assert queue.row(row.id[:5]).id == row.id
    queue.remove(row.id)
    assert queue.rows() == [] and not queue._rows.log(row.id).exists()
    for wanted in (row.id, "", "../x", "%"):
        with pytest.raises(StoreError, match="No jobs begin with"):
            queue.row(wanted)


def test_a_job_that_is_active_cannot_be_forgotten(queue: JobQueue) -> None:
    row = running(queue, ask(queue, LONG))
    with pytest.raises(StoreError, match="cancel it first"):
        queue.remove(row.id)


def test_a_list_that_is_damaged_is_set_aside_and_the_next_one_works(queue: JobQueue) -> None:
    ended(queue, ask(queue, DONE))
    until(
        lambda: (
            (held := try_lock(queue._rows.folder / "supervisor.lock")) is not None
            and release_lock(queue._rows.folder / "supervisor.lock", held) is None
        )
    )
    queue._rows.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"damaged.*set aside as damaged-"):
        queue.rows()
    assert queue.rows() == []
    assert ended(queue, ask(queue, DONE)).state == "done"


def test_a_list_of_a_newer_version_is_refused_kindly_and_stays(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    ask(queue, DONE)
    with sqlite3.connect(queue._rows.path) as database:
        database.execute("pragma user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="schema 99, this version reads 1; update PruneScope"):
        queue.rows()
    queue._rows.path.unlink()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written.*`cache`"):
        JobQueue(tmp_path / "file" / "cache").submit(StudySpec())


@pytest.mark.parametrize(
    ("device", "slot"), [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:3", "cuda:3")]
)
def test_a_device_has_one_slot(device: str, slot: str) -> None:
    assert slot_of(device) == slot

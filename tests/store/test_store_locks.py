"""Locks between processes: one computes, the others wait and find it; a process that dies holds
nothing.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_store import a_level, a_study

from prunescope.engine import paths
from prunescope.engine.errors import InterruptedStudy, StoreError
from prunescope.engine.store import Store
from prunescope.engine.store.listing import study_rows
from prunescope.engine.store.locks import hold_lock, release_lock, try_lock

COMPUTE = """
import sys, time
from pathlib import Path
sys.path.insert(0, "tests")
from made_up_store import a_level, a_study
from prunescope.engine.store import Store, level_key
store, study = Store(sys.argv[1], Path(sys.argv[1], "none")), a_study()
while not Path(sys.argv[1], "go").exists(): time.sleep(0.005)
with store.computing(level_key(study.identity, 0.5)):
    if store.level(study, 0.5) is None:
        with open(Path(sys.argv[1], "made"), "a") as made: made.write("1")
        time.sleep(0.2)
        store.save_level(study, a_level(0.5))
assert store.level(study, 0.5) == a_level(0.5) and store.notices == []
"""
HOLD = """
import sys, time
from pathlib import Path
from prunescope.engine.store.locks import try_lock
assert try_lock(Path(sys.argv[1])) is not None
print("held", flush=True); time.sleep(600)
"""
READ = """
import sys, time
from pathlib import Path
from prunescope.engine.store import Store
from prunescope.engine.store.listing import study_rows
root, looks = Path(sys.argv[1]), 0
while looks == 0 or not (root / "stop").exists():
    store, looks = Store(root, root / "none"), looks + 1
    for row in study_rows(store):
        study = store.study(row.key)
        listed = {level["sparsity"] for level in row.levels}
        assert study is not None and listed <= {level.sparsity for level in study.levels}
    assert store.notices == [], store.notices
    time.sleep(0.3)
print(looks)
"""


def start(program: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=paths.PROJECT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_eight_processes_that_want_one_key_compute_it_once(tmp_path: Path) -> None:
    Store(tmp_path).save_study(a_study())
    processes = [start(COMPUTE, tmp_path) for _ in range(8)]
    (tmp_path / "go").touch()
    for process in processes:
        ended(process)
    assert (tmp_path / "made").read_text() == "1"
    assert list((tmp_path / "locks").iterdir()) == []  # they leave nothing behind


def test_a_lock_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    holder = start(HOLD, lock)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    assert try_lock(lock) is None
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with hold_lock(lock):
        assert lock.exists()
    assert not lock.exists()


def test_who_waits_says_so_and_can_be_cancelled(tmp_path: Path) -> None:
    heard: list[str] = []

    def report(stage: str, done: int, total: int) -> None:
        heard.append(stage)
        if len(heard) == 3:
            raise InterruptedStudy(stage)

    with hold_lock(tmp_path / "a.lock"):
        with pytest.raises(InterruptedStudy), hold_lock(tmp_path / "a.lock", report):
            raise AssertionError("it was held by two")
        assert heard == ["wait for another process that computes the same"] * 3
    with hold_lock(tmp_path / "a.lock", report):  # whoever gave up holds nothing
        pass


def test_a_lock_file_that_was_removed_while_waiting_is_not_taken_for_the_new_one(
    tmp_path: Path,
) -> None:
    lock = tmp_path / "a.lock"
    first = try_lock(lock)
    assert first is not None
    lock.unlink()
    second = try_lock(lock)
    assert second is not None and try_lock(lock) is None
    release_lock(lock, second)
    os.close(first)


def test_where_there_can_be_no_lock_there_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written.*`cache`"):
        try_lock(tmp_path / "file" / "a.lock")


def test_sixteen_readers_see_whole_levels_while_a_writer_works(tmp_path: Path) -> None:
    store, study = Store(tmp_path, tmp_path / "none"), a_study()
    store.save_study(study)
    readers = [start(READ, tmp_path) for _ in range(16)]
    for number in range(12):
        store.save_level(study, a_level(round(0.1 + number / 20, 6)))
        assert len(study_rows(store)[0].levels) == number + 1  # writes the index
    (tmp_path / "stop").touch()
    assert all(int(ended(reader)) > 0 for reader in readers)

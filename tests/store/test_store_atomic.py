"""A file or folder is whole or absent, whatever the disk does."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from made_up_store import a_level, a_study

from prunescope.engine.errors import StoreError
from prunescope.engine.records import Study
from prunescope.engine.store import (
    Store,
    atomic,
    write_atomic,
)


def litter(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_only(*_: Any, **__: Any) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize(
    ("where", "fails", "reason"),
    [
        ("os.replace", read_only, "Read-only"),
        ("os.fsync", full_disk, "No space"),
        ("os.open", read_only, "Read-only"),
    ],
)
def test_a_write_that_fails_loses_nothing_and_leaves_nothing(
    store: Store,
    saved_level: tuple[Study, Path],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    fails: Any,
    reason: str,
) -> None:
    study, path = saved_level
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(f"prunescope.engine.store.atomic.{where}", fails)
        with pytest.raises(StoreError, match=reason) as caught:
            store.save_level(study, a_level(0.5, hits=0))
    assert str(path.parent) in str(caught.value) and "`cache`" in str(caught.value)
    assert path.read_bytes() == before and litter(store.root) == []
    assert store.level(study, 0.5) == a_level(0.5)


def test_a_write_stopped_by_a_signal_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "entry.json"
    write_atomic(path, b"old")
    monkeypatch.setattr(atomic.os, "fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and litter(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="file/cache"):
        Store(tmp_path / "file" / "cache").save_study(a_study())
    with pytest.raises(StoreError, match="file/cache"):
        Store(tmp_path / "file" / "cache").append_attack(a_study(), 0.5, a_level().attacks[0])


def test_a_work_file_left_by_a_kill_is_overwritten_by_the_next_writer(tmp_path: Path) -> None:
    (tmp_path / ".writing-out.bin").write_bytes(b"half of it, and longer than the whole")
    with atomic.atomic_file(tmp_path / "out.bin") as work:
        work.write_bytes(b"whole")
    assert (tmp_path / "out.bin").read_bytes() == b"whole" and litter(tmp_path) == []


def test_writers_of_one_cache_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "entry"
    with atomic.atomic_cache_file(path) as one, atomic.atomic_cache_file(path) as other:
        one.write_bytes(b"one")
        other.write_bytes(b"other")
    assert path.read_bytes() == b"one" and litter(tmp_path) == []


def test_a_folder_is_flushed_before_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []

    def record(descriptor: int) -> None:
        flushed.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to tell which file a descriptor is of")
    monkeypatch.setattr(atomic.os, "fsync", record)
    with atomic.atomic_folder(tmp_path / "out") as work:
        (work / "a").write_text("a")
        (work / "inner").mkdir()
        (work / "inner" / "b").write_text("b")
    assert {"a", "b", "inner", work.name, tmp_path.name} <= set(flushed)
    assert flushed[-1] == tmp_path.name and sorted(p.name for p in tmp_path.iterdir()) == ["out"]

"""Layers, the index, sizes, pins, clean-up and removal, and what a bad disk or a wrong clock does
to them.
"""

import errno
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_store import a_level, a_study

from prunescope.engine.errors import SettingError, StoreError
from prunescope.engine.records import Study
from prunescope.engine.store import Store, level_key
from prunescope.engine.store.index import Index
from prunescope.engine.store.listing import study_rows
from prunescope.engine.store.maintenance import (
    clean_store,
    pin_study,
    remove_study,
    store_sizes,
    verify_store,
)

DAY = 86400.0


def saved(
    store: Store, seed: int, levels: tuple[float, ...] = (0.0, 0.5), age: float = 0.0
) -> Study:
    study = a_study(seed=seed)
    store.save_study(study)
    for level in levels:
        store.save_level(study, a_level(level))
    for path in (store.root / "studies" / study.key).iterdir():
        os.utime(path, (time.time() - age, time.time() - age))
    return study


def listed(store: Store) -> dict[int, list[float]]:
    """By seed, the sparsities that the list shows."""
    seeds = {a_study(seed=seed).key: seed for seed in range(6)}
    return {
        seeds[row.key]: [level["sparsity"] for level in row.levels] for row in study_rows(store)
    }


def never(*_: Any, **__: Any) -> None:
    raise AssertionError("a file was read although the index knew it")


# Layers


def test_a_shared_folder_lies_between_the_users_own_and_the_bundled_one(tmp_path: Path) -> None:
    study = a_study()
    for name, hits, levels in (
        ("bundled", 1, (0.25, 0.5, 0.75)),
        ("shared", 2, (0.5, 0.75)),
        ("user", 3, (0.75,)),
    ):
        layer = Store(tmp_path / name, tmp_path / "none")
        layer.save_study(study)
        for level in levels:
            layer.save_level(study, a_level(level, hits=hits))
    store = Store(tmp_path / "user", tmp_path / "bundled", tmp_path / "shared")
    result = store.study(study.key)
    assert result is not None and [level.acc.hits for level in result.levels] == [1, 2, 3]
    assert [store.level(study, level).acc.hits for level in (0.25, 0.5, 0.75)] == [1, 2, 3]  # type: ignore[union-attr]
    (row,) = study_rows(store)
    assert row.layer == "bundled" and [round(level["acc"] * 4) for level in row.levels] == [1, 2, 3]


def test_the_shared_folder_is_named_by_the_environment_and_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Store(tmp_path / "shared", tmp_path / "none")
    shared.save_study(a_study())
    shared.save_level(a_study(), a_level(0.5))
    bad = (
        tmp_path
        / "shared"
        / "studies"
        / a_study().key
        / f"{level_key(a_study().identity, 0.5)}.json"
    )
    bad.write_bytes(b"damaged")
    monkeypatch.setenv("PRUNESCOPE_SHARED", str(tmp_path / "shared"))
    store = Store(tmp_path / "user", tmp_path / "none")
    assert store.level(a_study(), 0.5) is None and bad.read_bytes() == b"damaged"
    assert "shared folder" in store.notices[0]
    store.save_level(a_study(), a_level(0.5))
    assert store.level(a_study(), 0.5) == a_level(0.5)
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == ["studies"]


def test_the_dense_level_of_another_method_is_the_same_level(store: Store) -> None:
    other = a_study(plan="another", calibration="another")
    saved(store, 0)
    assert store.level(other, 0.0) is None
    assert store.twin(other, 0.0) == a_level(0.0)
    assert store.twin(other, 0.5) is None
    assert store.twin(a_study(victim="another"), 0.0) is None


# The index


def test_a_second_list_reads_no_entry(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(store, 0)
    saved(store, 1)
    first = study_rows(store)
    monkeypatch.setattr(Store, "head", never)
    monkeypatch.setattr(Store, "level_at", never)
    assert study_rows(store) == first and [len(row.levels) for row in first] == [2, 2]


def test_the_list_follows_every_change_of_the_files(store: Store) -> None:
    first, second = saved(store, 0), saved(store, 1)
    assert listed(store) == {0: [0.0, 0.5], 1: [0.0, 0.5]}
    store.save_level(first, a_level(0.75))
    remove_study(store, second.key)
    saved(store, 2, (0.5,))
    assert listed(store) == {0: [0.0, 0.5, 0.75], 2: [0.5]}
    path = store.root / "studies" / first.key / f"{level_key(first.identity, 0.5)}.json"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b'"queries":12', b'"queries":13'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nobody had touched it
    assert listed(store) == {0: [0.0, 0.75], 2: [0.5]} and "checksum" in store.notices[0]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(5000)])
def test_an_index_that_is_damaged_or_gone_is_made_anew(store: Store, content: bytes) -> None:
    saved(store, 0)
    assert listed(store) == {0: [0.0, 0.5]}
    Index(store.root).path.write_bytes(content)
    for _ in range(3):
        assert listed(store) == {0: [0.0, 0.5]} and store.notices == []
    assert Index(store.root).path.read_bytes() != content
    Index(store.root).remove()
    assert listed(store) == {0: [0.0, 0.5]}


def test_what_the_index_says_is_not_believed_over_a_file(store: Store) -> None:
    study = saved(store, 0)
    index = Index(store.root)
    study_rows(store)
    head = store.root / "studies" / study.key / "study.json"
    with index._open(write=True) as database, database:
        database.execute(
            "update entries set summary = ?, size = 1 where name = 'study.json'",
            (json.dumps({"about": {}}),),
        )
    assert study_rows(store)[0].about == study.about and head.is_file()


def test_a_list_needs_no_index_where_none_can_be_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(store, 0)

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("prunescope.engine.store.index.sqlite3.connect", refused)
    assert listed(store) == {0: [0.0, 0.5]} and store.notices == []


# Pins, removal, clean-up


def test_sizes_are_told_by_kind(store: Store) -> None:
    study = saved(store, 0)
    (store.root / "victims").mkdir()
    (store.root / "victims" / "a.safetensors").write_bytes(bytes(1000))
    result = store_sizes(store)
    assert result["victims"] == 1000 and result["studies"] == sum(
        path.stat().st_size for path in (store.root / "studies" / study.key).iterdir()
    )
    assert result["total"] == sum(size for name, size in result.items() if name != "total")


def test_a_study_is_removed_whole_and_a_pinned_one_is_not(store: Store) -> None:
    study = saved(store, 0)
    pin_study(store, study.key)
    assert study_rows(store)[0].pinned
    with pytest.raises(StoreError, match="is pinned; unpin it first"):
        remove_study(store, study.key)
    pin_study(store, study.key, pinned=False)
    remove_study(store, study.key)
    assert store.studies() == [] and list((store.root / "studies").iterdir()) == []
    with pytest.raises(StoreError, match="is not in"):
        remove_study(store, study.key)


def test_a_study_that_is_being_measured_is_neither_removed_nor_cleaned(store: Store) -> None:
    study, other = saved(store, 0), saved(store, 1)
    with store.using(study.key):
        with store.using(study.key):  # two processes may run the same study
            pass
        with pytest.raises(StoreError, match="is being measured; stop that first"):
            remove_study(store, study.key)
        assert [item.name for item in clean_store(store, older_than=-1.0)] == [other.key]
    assert list((store.root / "locks").iterdir()) == []
    remove_study(store, study.key)
    assert store.studies() == []


def test_the_mark_of_a_process_that_died_keeps_no_study(store: Store) -> None:
    study = saved(store, 0)
    (store.root / "locks").mkdir()
    (store.root / "locks" / f"{study.key}.0123456789abcdef.use").touch()
    remove_study(store, study.key)
    assert store.studies() == [] and list((store.root / "locks").iterdir()) == []


@pytest.mark.parametrize("key", ["../bundled", "", "x" * 64, "."])
def test_what_is_no_key_removes_nothing(store: Store, key: str) -> None:
    saved(store, 0)
    with pytest.raises(StoreError):
        remove_study(store, key)
    assert listed(store) == {0: [0.0, 0.5]} and store.bundled.is_dir()


def test_a_bundled_study_is_neither_pinned_nor_removed_nor_cleaned(tmp_path: Path) -> None:
    study = saved(Store(tmp_path / "bundled", tmp_path / "none"), 0, age=1000 * DAY)
    store = Store(tmp_path / "user", tmp_path / "bundled")
    for change in (pin_study, remove_study):
        with pytest.raises(StoreError, match="bundled"):
            change(store, study.key)
    assert clean_store(store, older_than=0, total=0) == []
    assert (
        clean_store(Store(tmp_path / "bundled", tmp_path / "bundled"), older_than=0, total=0) == []
    )
    assert listed(store) == {0: [0.0, 0.5]}


def test_clean_up_by_age_spares_the_young_and_the_pinned(store: Store) -> None:
    saved(store, 0, age=10 * DAY)
    pinned = saved(store, 1, age=10 * DAY)
    saved(store, 2, age=DAY)
    pin_study(store, pinned.key)
    removed = clean_store(store, older_than=5 * DAY, dry=True)
    assert [item.name for item in removed] == [a_study(seed=0).key] and set(listed(store)) == {
        0,
        1,
        2,
    }
    assert clean_store(store, older_than=5 * DAY) == removed
    assert set(listed(store)) == {1, 2}


def test_clean_up_by_size_takes_what_can_be_made_again_first_then_the_oldest(store: Store) -> None:
    for seed, age in ((0, 3 * DAY), (1, 2 * DAY), (2, DAY)):
        saved(store, seed, age=age)
    (store.root / "victims").mkdir()
    (store.root / "victims" / "a.safetensors").write_bytes(bytes(50_000))
    listed(store)
    whole = store_sizes(store)["total"]
    assert [item.kind for item in clean_store(store, total=whole - 1)] == ["victim"]
    one = store_sizes(store)["studies"] // 3
    assert [
        item.name for item in clean_store(store, total=store_sizes(store)["total"] - one - 1)
    ] == [a_study(seed=seed).key for seed in (0, 1)]
    assert set(listed(store)) == {2}
    assert clean_store(store, total=10**9) == []


def test_unfinished_files_that_nobody_writes_any_more_are_cleaned(store: Store) -> None:
    study = saved(store, 0)
    folder = store.root / "studies" / study.key
    for name, age in ((".writing-old", 2 * DAY), (".writing-new", 0.0)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    assert [item.name for item in clean_store(store, total=10**9)] == [".writing-old"]
    assert (folder / ".writing-new").exists() and listed(store) == {0: [0.0, 0.5]}


def test_a_clock_that_went_back_cleans_nothing_by_age(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(store, 0)
    now = time.time()
    monkeypatch.setattr("prunescope.engine.store.maintenance.time.time", lambda: now - 30 * DAY)
    with pytest.raises(SettingError, match="set the clock"):
        clean_store(store, older_than=DAY)
    # an hour-old unfinished file is told from a new one in either direction
    assert clean_store(store, total=10**9) == []
    assert listed(store) == {0: [0.0, 0.5]}


def test_a_clock_that_jumps_changes_no_key_and_no_entry(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = saved(store, 0)
    before = {path: path.read_bytes() for path in (store.root / "studies" / study.key).iterdir()}
    for jump in (-(10**9), 10**9):
        now = time.time()
        monkeypatch.setattr(time, "time", lambda now=now, jump=jump: now + jump)
        saved(store, 0)
        monkeypatch.undo()
        assert store.level(study, 0.5) == a_level(0.5)
    assert {
        path: path.read_bytes() for path in (store.root / "studies" / study.key).iterdir()
    } == before


def test_removal_that_the_disk_refuses_is_one_sentence(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    study = saved(store, 0)
    monkeypatch.setattr("prunescope.engine.store.maintenance.os.replace", refused)
    with pytest.raises(StoreError, match="Read-only"):
        remove_study(store, study.key)
    assert listed(store) == {0: [0.0, 0.5]}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_whatever_the_disk_refuses_is_one_sentence_and_nothing_is_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    study = saved(store, 0)
    renamed = replace(study, about={**study.about, "model": "another"})

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    for call in ("open", "fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"prunescope.engine.store.atomic.os.{call}", refused)
            for write in (
                lambda: store.save_study(renamed),
                lambda: store.save_level(study, a_level(0.9)),
            ):
                with pytest.raises(StoreError) as caught:
                    write()
                assert os.strerror(code) in str(caught.value) and str(caught.value).count("\n") == 0
    assert (
        store.study(study.key) == replace(study, levels=(a_level(0.0), a_level(0.5)))
        and store.notices == []
    )


def test_verifying_counts_the_whole_and_sets_the_damaged_aside(store: Store) -> None:
    study = saved(store, 0, (0.0, 0.5, 0.75))
    path = store.root / "studies" / study.key / f"{level_key(study.identity, 0.5)}.json"
    path.write_bytes(path.read_bytes()[:-9])
    assert verify_store(store) == (3, 1)
    assert not path.exists() and verify_store(store) == (3, 0)
    (store.root / "studies" / study.key / "study.json").write_bytes(b"")
    assert verify_store(store) == (0, 3)  # its levels belong to nobody now, and stay


@pytest.mark.parametrize("way", ["removed", "cleaned"])
def test_the_times_of_a_study_go_with_it(
    store: Store, saved_level: tuple[Study, Path], way: str
) -> None:
    key = saved_level[0].key
    for name in (key, "0" * 64):
        (store.root / "latency" / name).mkdir(parents=True)
        (store.root / "latency" / name / "0.5.json").write_text("{}")
    if way == "removed":
        remove_study(store, key)
    else:
        clean_store(store, older_than=-1.0)
    assert [path.name for path in (store.root / "latency").iterdir()] == ["0" * 64]

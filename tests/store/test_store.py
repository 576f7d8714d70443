"""The store: keys, whole writes, verified reads, damage set aside, and the user's store over the
bundled one.
"""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_store import IDENTITY, a_level, a_study

from prunescope.engine.errors import DamagedEntryError, StoreError
from prunescope.engine.records import Study
from prunescope.engine.store import (
    Store,
    atomic,
    canonical,
    entry_bytes,
    key_of,
    level_key,
    level_payload,
    read_entry,
    write_atomic,
)


def aside(store: Store) -> list[str]:
    return sorted(path.name for path in (store.root / "damaged").rglob("*") if path.is_file())


def litter(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


# Keys


def test_the_order_of_names_does_not_enter_a_key() -> None:
    turned = {name: IDENTITY[name] for name in reversed(IDENTITY)}
    assert list(turned) != list(IDENTITY)
    assert canonical(turned) == canonical(IDENTITY)
    assert key_of(turned) == key_of(IDENTITY)


def test_the_canonical_form_is_compact_and_keeps_letters() -> None:
    assert canonical({"b": [1, 2.5, None], "a": "ß"}) == '{"a":"ß","b":[1,2.5,null]}'.encode()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_number_has_no_canonical_form(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"value": number})


@pytest.mark.parametrize("name", sorted(IDENTITY))
def test_every_field_of_the_identity_enters_the_key_of_a_pruned_level(name: str) -> None:
    assert level_key({**IDENTITY, name: "other"}, 0.5) != level_key(IDENTITY, 0.5)


@pytest.mark.parametrize("name", sorted(IDENTITY))
def test_at_sparsity_zero_plan_and_calibration_alone_do_not_enter_the_key(name: str) -> None:
    same = level_key({**IDENTITY, name: "other"}, 0.0) == level_key(IDENTITY, 0.0)
    assert same == (name in ("plan", "calibration"))


def test_the_sparsity_enters_the_key_and_zero_has_one_spelling() -> None:
    assert len({level_key(IDENTITY, sparsity) for sparsity in (0.0, 0.5, 0.875, 0.8750)}) == 3
    assert level_key(IDENTITY, 0) == level_key(IDENTITY, 0.0) == level_key(IDENTITY, -0.0)
    assert level_key(IDENTITY, 0.1 + 0.2) == level_key(IDENTITY, 0.3)


# Round trips


def test_a_study_comes_back_as_it_was_saved(store: Store, kept: tuple[Study, Path]) -> None:
    study, _ = kept
    found = store.study(study.key)
    assert found == replace(study, levels=(a_level(0.5), a_level(0.75)))
    assert found is not None and found.levels[0].seconds == {"prune": 1.5, "attack": 2.25}
    assert store.notices == []


def test_the_machine_stands_beside_the_result_and_is_no_part_of_it(store: Store) -> None:
    study, bare = a_study(), a_level(0.5)
    machine = {"device": "A processor", "threads": 2, "torch": "2.13.0"}
    store.save_study(study)
    store.save_level(study, bare)  # levels of before know no machine
    found = store.study(study.key)
    assert found is not None and found.machines == () and found.levels == (bare,)
    store.save_level(study, replace(bare, machine=machine))
    found = store.study(study.key)
    assert found is not None and found.levels == (bare,) and found.levels[0].machine == machine
    assert found.machines == ("A processor, 2 threads, PyTorch 2.13.0",)


def test_times_of_single_layers_lie_within_those_of_the_pruner() -> None:
    assert (
        replace(a_level(), seconds={"prune": 3.0, "solve 0.query": 2.0, "attack": 1.0}).spent == 4.0
    )


def test_levels_come_back_one_by_one_and_in_order(store: Store) -> None:
    study = a_study()
    store.save_study(study)
    for sparsity in (0.9, 0.0, 0.5):
        store.save_level(study, a_level(sparsity))
    assert store.level(study, 0.9) == a_level(0.9)
    assert store.level(study, 0.7) is None
    found = store.study(study.key)
    assert found is not None and [level.sparsity for level in found.levels] == [0.0, 0.5, 0.9]


def test_a_level_without_an_attack_has_no_attack_rates(store: Store) -> None:
    study, level = a_study(), replace(a_level(), aua=None, asr=None, attacks=())
    store.save_level(study, level)
    assert store.level(study, 0.5) == level


def test_times_do_not_enter_the_checksum(store: Store, kept: tuple[Study, Path]) -> None:
    study, path = kept
    before = json.loads(path.read_bytes())
    store.save_level(study, replace(a_level(0.5), seconds={"prune": 99.0}))
    after = json.loads(path.read_bytes())
    assert after.pop("seconds")["value"] == {"prune": 99.0} and before.pop("seconds")["value"] == {
        "prune": 1.5,
        "attack": 2.25,
    }
    assert after == before


@pytest.mark.parametrize("key", ["0" * 64, "", "../elsewhere", "study"])
def test_a_study_that_is_not_there_is_none(store: Store, key: str) -> None:
    assert store.study(key) is None
    assert store.studies() == []


def test_a_key_cannot_leave_the_store(store: Store) -> None:
    outside = store.root / "elsewhere" / "study.json"
    write_atomic(outside, b"{}")
    (store.root / "studies").mkdir()
    assert store.study("../elsewhere") is None
    assert outside.read_bytes() == b"{}"


# Damage


def test_no_flipped_byte_changes_what_a_level_says(store: Store, kept: tuple[Study, Path]) -> None:
    study, path = kept
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 3):
        for flip in (0x01, 0x20, 0x80):
            path.write_bytes(
                whole[:position] + bytes([whole[position] ^ flip]) + whole[position + 1 :]
            )
            found = store.level(study, 0.5)
            refused += found is None
            assert found in (None, a_level(0.5)), f"byte {position} ^ {flip}"
    assert refused > 0.9 * len(range(0, len(whole), 3)) * 3
    assert len(store.notices) == refused
    assert store.level(study, 0.75) == a_level(0.75)


def cut(whole: bytes, other: bytes) -> bytes:
    return whole[: len(whole) // 2]


def empty(whole: bytes, other: bytes) -> bytes:
    return b""


def no_json(whole: bytes, other: bytes) -> bytes:
    return b"\xff\x00 not JSON"


def a_list(whole: bytes, other: bytes) -> bytes:
    return b"[1, 2]"


def deep(whole: bytes, other: bytes) -> bytes:
    return b"[" * 200_000


def not_a_number(whole: bytes, other: bytes) -> bytes:
    return whole.replace(b"0.30000000000000004", b"NaN")


def swapped(whole: bytes, other: bytes) -> bytes:
    return other


def wrong_kind(whole: bytes, other: bytes) -> bytes:
    return whole.replace(b'"level"', b'"study"')


def edited(whole: bytes, other: bytes) -> bytes:
    return json.dumps(
        {**(entry := json.loads(whole)), "payload": {**entry["payload"], "packed_bytes": 33}}
    ).encode()


def without_times(whole: bytes, other: bytes) -> bytes:
    return whole.replace(b'"seconds"', b'"moments"')


def another_level(whole: bytes, other: bytes) -> bytes:
    return other.replace(json.loads(other)["key"].encode(), json.loads(whole)["key"].encode())


def another_shape(whole: bytes, other: bytes) -> bytes:
    entry = json.loads(whole)
    return entry_bytes("level", entry["key"], {"sparsity": 0.5}, seconds={})


DAMAGES = [
    cut,
    empty,
    no_json,
    a_list,
    deep,
    not_a_number,
    swapped,
    wrong_kind,
    edited,
    without_times,
    another_level,
    another_shape,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda made: made.__name__)
def test_a_damaged_level_is_set_aside_and_the_others_stay(
    store: Store, kept: tuple[Study, Path], damage: Any
) -> None:
    study, path = kept
    other = path.with_name(f"{level_key(study.identity, 0.75)}.json")
    content = damage(path.read_bytes(), other.read_bytes())
    assert content != path.read_bytes()
    path.write_bytes(content)
    found = store.study(study.key)
    assert found is not None and found.levels == (a_level(0.75),)
    assert aside(store) == [path.name] and not path.exists()
    assert (
        len(store.notices) == 1 and path.name in store.notices[0] and "damaged" in store.notices[0]
    )
    store.save_level(study, a_level(0.5))
    assert store.level(study, 0.5) == a_level(0.5)


@pytest.mark.parametrize(("kind", "key"), [("level", "b"), ("study", "a")])
def test_an_envelope_opens_under_its_own_kind_and_key_only(
    tmp_path: Path, kind: str, key: str
) -> None:
    write_atomic(tmp_path / "entry.json", entry_bytes("level", "a", {"value": 1}))
    assert read_entry(tmp_path / "entry.json", "level", "a")["payload"] == {"value": 1}
    with pytest.raises(DamagedEntryError, match=r"entry\.json"):
        read_entry(tmp_path / "entry.json", kind, key)


def test_a_level_of_another_study_is_not_taken_in(store: Store, kept: tuple[Study, Path]) -> None:
    _, path = kept
    other = a_study(seed=1)
    store.save_study(other)
    foreign = store.root / "studies" / other.key / path.name
    foreign.write_bytes(path.read_bytes())
    found = store.study(other.key)
    assert found is not None and found.levels == ()
    assert aside(store) == [path.name]


@pytest.mark.parametrize(
    ("old", "new"), [(b'"aa"', b'"zz"'), (b'"adaptive"', b'"Adaptive"'), (b'"tiny"', b'"huge"')]
)
def test_a_study_whose_head_was_edited_is_not_shown(
    store: Store, kept: tuple[Study, Path], old: bytes, new: bytes
) -> None:
    study, _ = kept
    head = store.root / "studies" / study.key / "study.json"
    assert old in head.read_bytes()
    head.write_bytes(head.read_bytes().replace(old, new))
    assert store.studies() == []
    assert aside(store) == ["study.json"] and len(store.notices) == 1


def test_a_study_under_another_key_is_not_shown(store: Store, kept: tuple[Study, Path]) -> None:
    study, _ = kept
    payload = {"identity": {**IDENTITY, "seed": 7}, "about": {}}
    write_atomic(
        store.root / "studies" / study.key / "study.json", entry_bytes("study", study.key, payload)
    )
    assert store.study(study.key) is None
    assert "does not match its key" in store.notices[0]


def test_an_entry_that_cannot_be_read_is_left_where_it_is(
    store: Store, kept: tuple[Study, Path]
) -> None:
    study, path = kept
    path.unlink()
    path.mkdir()
    found = store.study(study.key)
    assert found is not None and found.levels == (a_level(0.75),)
    assert path.is_dir() and "cannot be read" in store.notices[0]


def test_damage_that_cannot_be_set_aside_is_left_out(
    store: Store, kept: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, path = kept
    path.write_bytes(b"")
    monkeypatch.setattr(atomic.os, "replace", full_disk)
    assert store.level(study, 0.5) is None
    assert path.exists() and "could not be set aside" in store.notices[0]


def test_a_newer_schema_is_refused_and_stays(store: Store, kept: tuple[Study, Path]) -> None:
    study, path = kept
    newer = json.dumps({"schema": 3, "contents": "unknown to this version"}).encode()
    path.write_bytes(newer)
    assert store.level(study, 0.5) is None
    assert path.read_bytes() == newer and aside(store) == []
    assert "schema 3" in store.notices[0] and "update PruneScope" in store.notices[0]


# The bundled store


@pytest.fixture
def shipped(tmp_path: Path) -> Store:
    """A user's store over a bundled one that holds a study with the levels 0.5 and 0.75."""
    bundled = Store(tmp_path / "bundled", tmp_path / "none")
    bundled.save_study(a_study())
    bundled.save_level(a_study(), a_level(0.5))
    bundled.save_level(a_study(), a_level(0.75))
    return Store(tmp_path / "user", tmp_path / "bundled")


@pytest.mark.parametrize("name", ["study.json", f"{level_key(IDENTITY, 0.5)}.json"])
def test_a_damaged_bundled_entry_is_never_moved(shipped: Store, name: str) -> None:
    path = shipped.bundled / "studies" / a_study().key / name
    path.write_bytes(b"damaged")
    shipped.studies()
    shipped.study(a_study().key)
    shipped.level(a_study(), 0.5)
    assert path.read_bytes() == b"damaged"
    assert "It is bundled" in shipped.notices[0] and not (shipped.root / "damaged").exists()


def test_a_bundled_store_inside_the_users_own_is_not_touched(tmp_path: Path) -> None:
    bad = tmp_path / "bundled" / "studies" / a_study().key / "study.json"
    write_atomic(bad, b"damaged")
    assert Store(tmp_path, tmp_path / "bundled").studies() == []
    assert bad.read_bytes() == b"damaged"


def test_studies_lists_the_bundled_first_and_each_once(shipped: Store) -> None:
    own = a_study(seed=1)
    shipped.save_study(own)
    shipped.save_study(a_study())  # the bundled one again
    assert [(study.key, study.bundled) for study in shipped.studies()] == [
        (a_study().key, True),
        (own.key, False),
    ]


def test_a_study_merges_the_users_levels_over_the_bundled_ones(shipped: Store) -> None:
    shipped.save_level(a_study(), a_level(0.5, hits=4))
    shipped.save_level(a_study(), a_level(0.25))
    found = shipped.study(a_study().key)
    assert found is not None and found.bundled
    assert found.levels == (a_level(0.25), a_level(0.5, hits=4), a_level(0.75))
    assert shipped.level(a_study(), 0.5) == a_level(0.5, hits=4)
    assert shipped.level(a_study(), 0.75) == a_level(0.75)


# Writing


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
    kept: tuple[Study, Path],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    fails: Any,
    reason: str,
) -> None:
    study, path = kept
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(f"prunescope.engine.store.atomic.{where}", fails)
        with pytest.raises(StoreError, match=reason) as caught:
            store.save_level(study, a_level(0.5, hits=0))
    assert str(path.parent) in str(caught.value) and "--cache" in str(caught.value)
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


# Unfinished attacks


def test_kept_attacks_come_back_until_the_level_is_saved(store: Store) -> None:
    study, records = a_study(), a_level().attacks
    assert store.unfinished_attacks(study, 0.5) == ()
    for record in records:
        store.append_attack(study, 0.5, record)
    assert store.unfinished_attacks(study, 0.5) == records
    assert store.unfinished_attacks(study, 0.75) == ()
    store.save_level(study, a_level(0.5))
    assert store.unfinished_attacks(study, 0.5) == ()
    assert list((store.root / "studies" / study.key).glob("*.jsonl")) == []


def unfinished(store: Store) -> Path:
    return store.root / "studies" / a_study().key / f"{level_key(IDENTITY, 0.5)}.jsonl"


def test_a_record_cut_short_is_left_out_and_the_next_one_is_kept(store: Store) -> None:
    first, second = a_level().attacks
    store.append_attack(a_study(), 0.5, first)
    store.append_attack(a_study(), 0.5, second)
    whole = unfinished(store).read_bytes()
    for stop in range(len(whole) - 1, len(whole) // 2 + 2, -7):
        unfinished(store).write_bytes(whole[:stop])
        assert store.unfinished_attacks(a_study(), 0.5) == (first,)
        store.append_attack(a_study(), 0.5, second)
        assert store.unfinished_attacks(a_study(), 0.5) == (first, second)


def test_a_record_that_was_edited_is_left_out(store: Store) -> None:
    first, second = a_level().attacks
    store.append_attack(a_study(), 0.5, first)
    store.append_attack(a_study(), 0.5, second)
    unfinished(store).write_bytes(
        unfinished(store).read_bytes().replace(b'"queries":12', b'"queries":13')
    )
    assert store.unfinished_attacks(a_study(), 0.5) == (second,)


def test_the_payload_of_a_level_leaves_its_times_out() -> None:
    assert "seconds" not in level_payload(a_level())


def test_the_environment_names_the_users_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "named"))
    assert Store().root == tmp_path / "named"
    assert Store(tmp_path / "given").root == tmp_path / "given"

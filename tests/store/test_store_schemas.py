"""Entries of every schema open; a newer one is refused kindly; what the checksums do not cover is
found all the same.
"""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_store import a_level, a_study

from prunescope.engine import paths
from prunescope.engine.records import Study
from prunescope.engine.store import Store, canonical, entries, key_of, level_key
from prunescope.engine.store.exchange import packed_study, read_packed

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = sorted(path.name for path in GOLDEN.glob("schema-*"))
ROUNDS = 1000


def test_there_is_a_golden_folder_of_every_schema_and_a_way_from_each_to_the_next() -> None:
    assert [f"schema-{number}" for number in range(1, entries.FORMAT + 1)] == SCHEMAS
    assert sorted(entries.MIGRATIONS) == list(range(1, entries.FORMAT))


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_study_of_every_schema_opens_as_it_was_saved(schema: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / schema, tmp_path / "user")
    before = {path: path.read_bytes() for path in (tmp_path / "user").rglob("*.json")}
    store = Store(tmp_path / "user", tmp_path / "none")
    found = store.study(a_study().key)
    assert found == replace(a_study(), levels=(a_level(0.5), a_level(0.75)))
    assert found.levels[0].seconds == {"prune": 1.5, "attack": 2.25} and store.notices == []
    assert {path: path.read_bytes() for path in (tmp_path / "user").rglob("*.json")} == before


def test_todays_schema_is_written_byte_for_byte_as_the_golden_one(
    store: Store, kept: tuple[Study, Path]
) -> None:
    for path in (GOLDEN / SCHEMAS[-1]).rglob("*.json"):
        assert (
            store.root / path.relative_to(GOLDEN / SCHEMAS[-1])
        ).read_bytes() == path.read_bytes()


def test_the_golden_export_opens_and_is_what_is_written_today(
    store: Store, kept: tuple[Study, Path]
) -> None:
    content = (GOLDEN / "format-1.prunescope").read_bytes()
    study, levels = read_packed(content)
    assert study.key == a_study().key and levels == [a_level(0.5), a_level(0.75)]
    assert packed_study(store, study.key) == content


def test_every_bundled_entry_is_whole() -> None:
    store = Store(paths.PROJECT / "no-such-cache")
    for head in store.studies():
        study = store.study(head.key)
        assert study is not None and study.levels and key_of(study.identity) == study.key
    assert store.notices == []


@pytest.mark.parametrize("schema", [0, -1, 1.0, "1", None, True])
def test_a_schema_that_never_was_is_damage(
    store: Store, kept: tuple[Study, Path], schema: object
) -> None:
    study, path = kept
    path.write_bytes(canonical({**json.loads(path.read_bytes()), "schema": schema}) + b"\n")
    assert store.level(study, 0.5) is None and not path.exists()


# What a disk may do


def flip(whole: bytes, other: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(whole))
    return whole[:place] + bytes([whole[place] ^ draw.randrange(1, 256)]) + whole[place + 1 :]


def cut(whole: bytes, other: bytes, draw: random.Random) -> bytes:
    return whole[: draw.randrange(len(whole))]


def zeroed(whole: bytes, other: bytes, draw: random.Random) -> bytes:
    place, length = draw.randrange(len(whole)), draw.randrange(1, 512)
    return whole[:place] + b"\0" * len(whole[place : place + length]) + whole[place + length :]


def doubled(whole: bytes, other: bytes, draw: random.Random) -> bytes:
    return whole + whole[draw.randrange(len(whole)) :]


def mixed(whole: bytes, other: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(40, len(whole) - 4)
    return whole[:place] + other[place:]


def spaced(whole: bytes, other: bytes, draw: random.Random) -> bytes:
    place = draw.choice([at for at, byte in enumerate(whole) if byte in b",:"])
    return whole[: place + 1] + b" " + whole[place + 1 :]


@pytest.mark.parametrize(
    "damage", [flip, cut, zeroed, doubled, mixed, spaced], ids=lambda made: made.__name__
)
def test_of_a_thousand_random_corruptions_none_passes(
    store: Store, kept: tuple[Study, Path], damage: Callable[[bytes, bytes, random.Random], bytes]
) -> None:
    study, path = kept
    draw, whole = random.Random(damage.__name__), path.read_bytes()
    other = path.with_name(f"{level_key(study.identity, 0.75)}.json").read_bytes()
    for _ in range(ROUNDS // 6 + 1):
        content = damage(whole, other, draw)
        if content != whole:
            path.write_bytes(content)
            assert store.level(study, 0.5) is None, content
            assert store.notices.pop()
    assert store.level(study, 0.75) == a_level(0.75)


def test_no_flip_of_any_bit_of_any_entry_passes(store: Store, kept: tuple[Study, Path]) -> None:
    study, path = kept
    store.save_level(
        study,
        replace(a_level(0.5), machine={"device": "A processor", "threads": 2, "torch": "2.13.0"}),
    )
    head = path.with_name("study.json")
    for file, read in ((path, lambda: store.level(study, 0.5)), (head, lambda: store.head(head))):
        whole = file.read_bytes()
        for place in range(len(whole)):
            file.write_bytes(
                whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :]
            )
            assert read() is None, f"{file.name}, byte {place}"
        file.write_bytes(whole)
        assert read() is not None


def test_the_records_of_another_unfinished_level_are_left_out(store: Store) -> None:
    study, (first, second) = a_study(), a_level().attacks
    store.append_attack(study, 0.5, first)
    store.append_attack(study, 0.75, second)
    half, more = (
        store.root / "studies" / study.key / f"{level_key(study.identity, level)}.jsonl"
        for level in (0.5, 0.75)
    )
    more.write_bytes(half.read_bytes() + more.read_bytes())
    assert store.unfinished_attacks(study, 0.75) == (second,)

"""One study as one file: what goes out comes in, and nothing that is hostile does."""

import errno
import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_store import ABOUT, IDENTITY, a_level, a_study

from prunescope.engine.errors import InputError, StoreError
from prunescope.engine.records import LevelResult, Study
from prunescope.engine.store import Store, canonical, entry_bytes, key_of, level_key, level_payload
from prunescope.engine.store.exchange import export_study, import_study, packed_study

Files = dict[str, bytes]


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """Another person's store."""
    return Store(tmp_path / "other", tmp_path / "none")


@pytest.fixture
def packed(store: Store, kept: tuple[Study, Path]) -> bytes:
    return packed_study(store, kept[0].key)


def everything(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_study_comes_in_as_it_went_out(
    store: Store, kept: tuple[Study, Path], other: Store, tmp_path: Path
) -> None:
    study, _ = kept
    path = export_study(store, study.key, tmp_path / "out" / "study.prunescope")
    taken, new = import_study(other, path.read_bytes())
    assert (taken.key, new) == (study.key, 2)
    about = {name: value for name, value in study.about.items() if name != "order"}
    assert other.study(study.key) == replace(
        study, about=about, levels=(a_level(0.5), a_level(0.75))
    )
    assert packed_study(other, study.key) == path.read_bytes()


def test_what_is_here_already_stays_and_the_rest_is_added(packed: bytes, other: Store) -> None:
    study = a_study()
    other.save_study(study)
    other.save_level(study, a_level(0.5, hits=4))
    assert import_study(other, packed)[1] == 1
    found = other.study(study.key)
    assert found is not None and found.levels == (a_level(0.5, hits=4), a_level(0.75))
    assert import_study(other, packed)[1] == 0


def test_a_study_that_is_not_here_cannot_go_out(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="runs list"):
        export_study(store, "0" * 64, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_full_disk_takes_in_nothing(
    packed: bytes, other: Store, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    calls, real = iter(range(1, 99)), os.replace

    def full(*paths: Any) -> None:
        if next(calls) == fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*paths)

    monkeypatch.setattr("prunescope.engine.store.atomic.os.replace", full)
    with pytest.raises(StoreError, match="No space"):
        import_study(other, packed)
    monkeypatch.undo()
    assert everything(other.root) == [] and other.studies() == []


# Hostile files


def zipped(
    entries: list[tuple[zipfile.ZipInfo | str, bytes]],
    how: int = zipfile.ZIP_STORED,
    comment: bytes = b"",
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, content in entries:
            archive.writestr(name, content)
        archive.comment = comment
    return out.getvalue()


def a_manifest(files: Files, **changes: Any) -> bytes:
    listed = {
        name: {"bytes": len(one), "sha256": hashlib.sha256(one).hexdigest()}
        for name, one in files.items()
    }
    return canonical(
        {"prunescope": "study", "format": 1, "key": a_study().key, "files": listed, **changes}
    )


def whole(files: Files, **changes: Any) -> bytes:
    """A file whose manifest is right for these entries."""
    return zipped([("manifest.json", a_manifest(files, **changes)), *files.items()])


def files_of(*levels: LevelResult, about: dict[str, Any] | None = None) -> Files:
    study = a_study()
    files = {
        "study.json": entry_bytes(
            "study", study.key, {"identity": study.identity, "about": about or ABOUT}
        )
    }
    for level in levels:
        key = level_key(IDENTITY, level.sparsity)
        files[f"{key}.json"] = entry_bytes(
            "level", key, level_payload(level), seconds=level.seconds
        )
    return files


def with_payload(machine: Any = None, **changes: Any) -> bytes:
    """A level with other values, all checksums right."""
    key, level = level_key(IDENTITY, 0.5), a_level(0.5)
    content = entry_bytes(
        "level",
        key,
        {**level_payload(level), **changes},
        seconds=level.seconds,
        machine=machine or {},
    )
    return whole({**files_of(), f"{key}.json": content})


def named(name: str) -> Callable[[], bytes]:
    return lambda: whole({**files_of(), name: b"{}"})


def link() -> bytes:
    info = zipfile.ZipInfo("study.json")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return zipped(
        [("manifest.json", a_manifest({"study.json": b"/etc/passwd"})), (info, b"/etc/passwd")]
    )


def bomb() -> bytes:
    files = {**files_of(), "study.json": b" " * 30_000_000}
    return zipped([("manifest.json", a_manifest(files)), *files.items()], zipfile.ZIP_DEFLATED)


def overlapping() -> bytes:
    """Two entries of the list that share one content."""
    content = whole(files_of(a_level(0.5), a_level(0.75)))
    end = struct.unpack("<4s4H2LH", content[-22:])
    header = content[end[6] : end[6] + end[5]]
    record = 46 + struct.unpack("<H", header[28:30])[0]
    more = header + header[:record]
    return (
        content[: end[6]]
        + more
        + struct.pack("<4s4H2LH", end[0], 0, 0, end[3] + 1, end[4] + 1, len(more), end[6], 0)
    )


def huge_list() -> bytes:
    content = whole(files_of())
    return content[:-22] + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 60_000, 60_000, 2**31, 0, 0)


def said_larger() -> bytes:
    """An entry that says it is larger than it is."""
    content = whole(files_of())
    end = struct.unpack("<4s4H2LH", content[-22:])
    at = end[6] + 20
    return content[:at] + struct.pack("<2L", 2**32 - 2, 2**32 - 2) + content[at + 8 :]


def wrong_hash() -> bytes:
    files = files_of(a_level(0.5))
    wrong = json.loads(a_manifest(files))
    wrong["files"]["study.json"]["sha256"] = "0" * 64
    return zipped([("manifest.json", canonical(wrong)), *files.items()])


def not_in_the_manifest() -> bytes:
    return zipped([("manifest.json", a_manifest(files_of())), *files_of(a_level(0.5)).items()])


def twice() -> bytes:
    out = io.BytesIO()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out.write(
            zipped(
                [
                    ("manifest.json", a_manifest(files_of())),
                    *files_of().items(),
                    *files_of().items(),
                ]
            )
        )
    return out.getvalue()


def nan() -> bytes:
    content = files_of(a_level(0.5))
    name = f"{level_key(IDENTITY, 0.5)}.json"
    return whole({**content, name: content[name].replace(b"0.30000000000000004", b"NaN")})


def of_another_study() -> bytes:
    key = level_key({**IDENTITY, "seed": 5}, 0.5)
    level = a_level(0.5)
    return whole(
        {
            **files_of(),
            f"{key}.json": entry_bytes("level", key, level_payload(level), seconds=level.seconds),
        }
    )


def encrypted() -> bytes:
    content = bytearray(whole(files_of()))
    end = struct.unpack("<4s4H2LH", bytes(content[-22:]))
    content[end[6] + 8] |= 1
    return bytes(content)


def about(**changes: Any) -> Callable[[], bytes]:
    return lambda: whole(files_of(a_level(0.5), about={**ABOUT, **changes}))


def payload(**changes: Any) -> Callable[[], bytes]:
    return lambda: with_payload(**changes)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "not a zip": lambda: b"hello" * 100,
    "half": lambda: whole(files_of())[:-40],
    "absolute": named("/tmp/evil.json"),
    "above": named("../../evil.json"),
    "windows": named("..\\evil.json"),
    "folder": named("sub/" + "0" * 64 + ".json"),
    "drive": named("C:evil.json"),
    "other name": named("evil.sh"),
    "null": named("study.json\0.sh"),
    "level above": named(f"../{'0' * 64}.json"),
    "line break": named(f"{'0' * 64}.json\n"),
    "a folder entry": lambda: zipped([("studies/", b"")]),
    "link": link,
    "bomb": bomb,
    "overlapping": overlapping,
    "huge list": huge_list,
    "said larger": said_larger,
    "wrong hash": wrong_hash,
    "not in the manifest": not_in_the_manifest,
    "twice": twice,
    "comment": lambda: zipped(list(files_of().items()), comment=b"PK\x05\x06"),
    "encrypted": encrypted,
    "no manifest": lambda: zipped(list(files_of().items())),
    "no head": lambda: whole({}),
    "huge header": lambda: zipped(
        [("manifest.json", b" " * (2 << 20) + a_manifest(files_of())), *files_of().items()]
    ),
    "deep manifest": lambda: zipped([("manifest.json", b"[" * 500_000), *files_of().items()]),
    "deep entry": lambda: whole({**files_of(), f"{'0' * 64}.json": b'{"a":' * 200_000}),
    "NaN": nan,
    "another's level": of_another_study,
    "key of another": lambda: whole(files_of(), key="0" * 64),
    "key that is a path": lambda: whole(files_of(), key="../../evil"),
    "no study": lambda: whole(files_of(), prunescope="model"),
    "a list": lambda: zipped([("manifest.json", b"[1]"), *files_of().items()]),
    "format": lambda: whole(files_of(), format="1"),
    "about of another kind": about(model=5),
    "names of another kind": about(label_names=[1, 2]),
    "no counts": about(counts={}),
    "negative counts": about(counts={**ABOUT["counts"], "evaluation": -1}),
    "no parameters": about(parameters=0),
    "text for a rate": payload(acc={"value": "<b>", "n": 4, "low": 0.1, "high": 0.2}),
    "no rate": payload(acc=None),
    "rate above one": payload(acc={"value": 7.0, "n": 4, "low": 0.1, "high": 0.2}),
    "text for a size": payload(packed_bytes="9"),
    "unknown field": payload(evil=1),
    "text for an error": payload(layer_errors={"0.query": "x"}),
    "attack of another kind": payload(
        attacks=[{**level_payload(a_level())["attacks"][0], "words": "many"}]
    ),
    "text for rows": payload(correct=["0"]),
    "endless": payload(cls_error=10**400),
    "endless count": payload(packed_bytes=10**400),
    "a machine of another kind": payload(machine={"threads": [2]}),
    "a text for an order": about(order="first"),
    "settings of no study": about(spec={}),
    "a setting that is none": about(spec={**ABOUT["spec"], "seeds": 3}),
    "a setting out of range": about(spec={**ABOUT["spec"], "calibration": 0}),
    "a machine that is a list": payload(machine=["A processor"]),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_is_written(
    make: Callable[[], bytes], other: Store, tmp_path: Path
) -> None:
    content = make()
    before = everything(tmp_path)
    with pytest.raises(InputError) as caught:
        import_study(other, content)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert everything(tmp_path) == before and other.studies() == []


def test_a_newer_format_is_refused_kindly(other: Store) -> None:
    with pytest.raises(InputError, match="format 2, this version reads 1; update PruneScope"):
        import_study(other, whole(files_of(), format=2))


def test_the_made_up_files_would_come_in_if_they_were_right(other: Store) -> None:
    assert import_study(other, whole(files_of(a_level(0.5))))[1] == 1
    assert key_of(IDENTITY) == a_study().key and import_study(other, with_payload())[1] == 0


def test_of_five_hundred_random_corruptions_of_a_file_none_comes_in_changed(
    packed: bytes, tmp_path: Path
) -> None:
    import random

    draw, came = random.Random(0), 0
    for number in range(500):
        place = draw.randrange(len(packed))
        content = (
            packed[:place] + bytes([packed[place] ^ draw.randrange(1, 256)]) + packed[place + 1 :]
        )
        taker = Store(tmp_path / str(number), tmp_path / "none")
        try:
            import_study(taker, content)
        except InputError:
            assert everything(taker.root) == []
        else:  # a byte that says nothing, such as the zip's date
            came += 1
            assert packed_study(taker, a_study().key) == packed
    assert came < 150

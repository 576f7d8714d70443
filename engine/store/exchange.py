"""One study as one file: a zip archive of its entries, not compressed, with a manifest of their
checksums.

    manifest.json       {"prunescope": "study", "format": 1, "key": …, "files": {name: {"bytes": …,
      "sha256": …}}}
    study.json
    <level key>.json    one a level

What comes from elsewhere is not trusted: everything is checked before anything is written, and
names say nothing about places.
"""

import io
import json
import re
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

from prunescope.engine.errors import DamagedEntryError, InputError, SettingError, StoreError
from prunescope.engine.records import AttackRecord, LevelResult, Rate, Study, StudySpec
from prunescope.engine.store.atomic import atomic_file
from prunescope.engine.store.checksums import canonical, key_of, sha256_of
from prunescope.engine.store.entries import (
    entry_bytes,
    level_bytes,
    level_in,
    level_key,
    parse_entry,
)
from prunescope.engine.store.layers import Store

FORMAT = 1
MANIFEST, HEAD = "manifest.json", "study.json"
LEVEL = re.compile(r"[0-9a-f]{64}\.json")
MOST_BYTES, MOST_ENTRIES, MOST_HEADER = 1 << 28, 1002, 1 << 20
# The earliest time that a zip can say: the same content is the same file.
EARLIEST = (1980, 1, 1, 0, 0, 0)
MOST_COUNT, MOST_NUMBER = 1 << 53, 1e300  # what a page can still show and a chart can still draw
END = struct.Struct("<4s4H2LH")  # the last record of a zip without a comment


def export_study(store: Store, key: str, target: Path) -> Path:
    """Write one study with all its levels as one file. Raises StoreError where it is not here or
    cannot be written.
    """
    content = packed_study(store, key)
    with atomic_file(target) as work:
        work.write_bytes(content)
    return target


def packed_study(store: Store, key: str) -> bytes:
    """The file of `export_study`. The same study is the same bytes. Raises StoreError where it is
    not here.
    """
    study = store.study(key)
    if study is None:
        raise StoreError(
            f"The study {key[:12]!r} is not in the store; `prunescope runs list` shows what "
            "is there."
        )
    # "order" is its place among the bundled studies.
    about = {name: value for name, value in study.about.items() if name != "order"}
    files = {HEAD: entry_bytes("study", key, {"identity": study.identity, "about": about})}
    for level in study.levels:
        name = level_key(study.identity, level.sparsity)
        files[f"{name}.json"] = level_bytes(name, level)
    listed = {
        name: {"bytes": len(content), "sha256": sha256_of(content)}
        for name, content in files.items()
    }
    manifest = canonical({"prunescope": "study", "format": FORMAT, "key": key, "files": listed})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {MANIFEST: manifest, **files}.items():
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), content)
    return out.getvalue()


def import_study(store: Store, content: bytes) -> tuple[Study, int]:
    """Take in the file of a study: (its head, how many levels were new). A level that is here
    already stays as it is.

    Raises InputError for anything that is not exactly such a file; then nothing was written.
    """
    study, levels = read_packed(content)
    new = [level for level in levels if store.level(study, level.sparsity) is None]
    written: list[Path] = []
    folder = store.root / "studies" / study.key
    try:
        if store.study_head(study.key) is None:
            written.append(folder / HEAD)
            store.save_study(study)
        for level in new:
            written.append(folder / f"{level_key(study.identity, level.sparsity)}.json")
            store.save_level(study, level)
    except StoreError:  # all or nothing
        for path in written:
            path.unlink(missing_ok=True)
        if written and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise
    return study, len(new)


def read_packed(content: bytes) -> tuple[Study, list[LevelResult]]:
    """The study and the levels in an exported file, everything checked. Raises InputError."""
    try:
        files = _files(content)
        manifest = files.pop(MANIFEST)
        if manifest["prunescope"] != "study" or type(manifest["format"]) is not int:
            raise _refused("it is no study")
        if manifest["format"] > FORMAT:
            raise InputError(
                f"The file has format {manifest['format']}, this version reads {FORMAT}; update "
                "PruneScope to open it."
            )
        return _study(manifest, files)
    except DamagedEntryError as error:
        raise _refused(str(error).rstrip(".")) from error
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        zipfile.BadZipFile,
        NotImplementedError,
        struct.error,
        EOFError,
    ) as error:
        raise _refused(f"{type(error).__name__}: {error}"[:200]) from error


def _refused(why: str) -> InputError:
    return InputError(
        f"The file is not an exported study ({why}); nothing was imported. Export it again with "
        "`prunescope runs export`."
    )


def _files(content: bytes) -> dict[str, Any]:
    """The entries by name, the manifest parsed, the others as bytes that match it."""
    _check_end(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        listed = archive.infolist()
        names = [entry.filename for entry in listed]
        if len(set(names)) < len(names) or sum(entry.file_size for entry in listed) > MOST_BYTES:
            raise _refused("its entries repeat, or are too large")
        for entry in listed:
            _check_entry(entry)
        if archive.getinfo(MANIFEST).file_size > MOST_HEADER:
            raise _refused("its manifest is too large")
        entries = {name: archive.read(name) for name in names}
    manifest = json.loads(entries.pop(MANIFEST))
    sums = {
        name: {"bytes": len(content), "sha256": sha256_of(content)}
        for name, content in entries.items()
    }
    if manifest["files"] != sums:
        raise _refused("its entries are not those of its manifest")
    return {MANIFEST: manifest, **entries}


def _check_end(content: bytes) -> None:
    """The size of the zip's own list is known before anything reads it."""
    if not 22 <= len(content) <= MOST_BYTES:
        raise _refused(f"{len(content):,} bytes")
    mark, _, _, here, entries, header, _, comment = END.unpack(content[-END.size :])
    if (
        mark != b"PK\x05\x06"
        or comment
        or here != entries
        or entries > MOST_ENTRIES
        or header > MOST_HEADER
    ):
        raise _refused("it is no such zip archive")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """A plain file of a name that is ours: no folder, no link, no path, nothing compressed or
    encrypted.
    """
    if entry.filename not in (MANIFEST, HEAD) and not LEVEL.fullmatch(entry.filename):
        raise _refused(f"it holds {entry.filename[:80]!r}")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or entry.is_dir() or entry.flag_bits & 0x1:
        raise _refused(f"{entry.filename[:80]!r} is not a plain file")
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise _refused(f"{entry.filename[:80]!r} is compressed")


def _study(manifest: dict[str, Any], files: dict[str, bytes]) -> tuple[Study, list[LevelResult]]:
    key = manifest["key"]
    payload = parse_entry(files.pop(HEAD), HEAD, "study", key)["payload"]
    if set(payload) != {"identity", "about"} or key_of(payload["identity"]) != key:
        raise _refused("its head does not match its key")
    _check_about(payload["about"])
    study, levels = Study(key, payload["identity"], payload["about"]), []
    for name, content in files.items():
        envelope = parse_entry(content, name, "level", name.removesuffix(".json"))
        level = level_in(envelope)
        if level_key(study.identity, level.sparsity) != envelope["key"]:
            raise _refused(f"{name} is not a level of it")
        check_level(level)
        levels.append(level)
    return study, sorted(levels, key=lambda level: level.sparsity)


ABOUT = {
    "model": str,
    "data": str,
    "method": str,
    "pattern": str,
    "attack": str,
    "seed": int,
    "label_names": list,
    "counts": dict,
    "prunable": int,
    "parameters": int,
    "spec": dict,
}


def _check_about(about: dict[str, Any]) -> None:
    """What pages rely on is there and of its kind; anything else is shown as text, if at all."""
    for name, kind in ABOUT.items():
        _check(type(about[name]) is kind, f"about.{name}")
    _check(all(type(name) is str for name in about["label_names"]), "about.label_names")
    counts = [
        about["counts"][name] for name in ("calibration", "held_out", "evaluation", "attacked")
    ]
    _check(all(map(_count, counts)) and _count(about["parameters"]), "about.counts")
    _check(0 < about["prunable"] <= about["parameters"], "about.parameters")
    _check(type(about.get("order", 0)) is int, "about.order")
    try:  # the settings are those of a study, which pages and estimates read
        StudySpec(
            **{**about["spec"], "data": about["spec"]["data"] or about["data"], "levels": (0.0,)}
        )
    except SettingError as error:
        raise ValueError(f"about.spec: {error}") from error


def check_level(level: LevelResult) -> None:
    """Raises ValueError where a level's values are not of their kind, or no numbers."""
    for name in ("sparsity", "achieved", "achieved_model"):
        _check(_number(getattr(level, name)) and 0 <= getattr(level, name) <= 1, name)
    for name in ("acc", "aua", "asr"):
        rate = getattr(level, name)
        _check(rate is None or _is_rate(rate), name)
    _check(level.acc is not None and _number(level.cls_error), "acc")
    _check(
        all(type(name) is str and _number(value) for name, value in level.layer_errors.items())
        and level.layer_errors != {},
        "layer_errors",
    )
    _check(all(map(_count, level.correct)), "correct")
    _check(_count(level.packed_bytes) and _count(level.dense_bytes), "bytes")
    _check(all(type(notice) is str for notice in level.notices), "notices")
    _check(
        all(type(name) is str and _number(value) for name, value in level.seconds.items()),
        "seconds",
    )
    _check(
        all(
            type(name) is str and type(value) in (str, int) for name, value in level.machine.items()
        ),
        "machine",
    )
    _check(all(type(layer) is dict for layer in level.layers), "layers")
    for record in level.attacks:
        _check(_is_record(record), f"attack {record.example}")


def _is_rate(rate: Rate) -> bool:
    shares = (rate.low, rate.high, 0.0 if rate.value is None else rate.value)
    return _count(rate.n) and all(_number(share) and 0 <= share <= 1 for share in shares)


def _is_record(record: AttackRecord) -> bool:
    counts = (record.example, record.queries, record.words_changed, record.words)
    shares = (record.truth_before, record.truth_after)
    return (
        all(map(_count, counts))
        and type(record.outcome) is str
        and type(record.reason) is str
        and all(share is None or _number(share) for share in shares)
    )


def _number(value: object) -> bool:
    return type(value) in (int, float) and -MOST_NUMBER < value < MOST_NUMBER  # type: ignore[operator]


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST_COUNT


def _check(true: bool, what: str) -> None:
    if not true:
        raise ValueError(f"{what} is not what it must be")

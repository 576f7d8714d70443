"""The content-addressed store of studies and pruned victims.

    studies/<study key>/study.json          what decided the study, and its names for people
    studies/<study key>/<level key>.json    one level
    studies/<study key>/<level key>.jsonl   attack records of a level that is not finished yet
    victims/<key>.safetensors               a pruned victim's weights, packed

A key is the SHA-256 of everything that decides the content. A write is whole or absent. What is read is verified; an
entry that fails is set aside under `damaged/`, named in `notices`, and the rest goes on. The bundled store is read-only.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine import paths
from engine.errors import DamagedEntryError, StoreError
from engine.records import AttackRecord, LevelResult, Rate, Study

SCHEMA = 1
_KEY = re.compile("[0-9a-f]{64}")


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def key_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def level_key(identity: dict[str, Any], sparsity: float) -> str:
    """The key of one level of a study. At sparsity 0 nothing is pruned, so the plan does not enter."""
    decided = {name: value for name, value in identity.items() if sparsity > 0 or name not in ("plan", "calibration")}
    return key_of({**decided, "sparsity": round(float(sparsity), 6) + 0.0})  # 0, 0.0 and -0.0 are one level


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or absent. Raises StoreError where the folder cannot be written."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException as error:  # a signal too must not leave half a file
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise StoreError(
            f"The cache cannot be written at {path.parent} ({error.strerror or error}); nothing stored before is lost. "
            "Name a writable folder with --cache or PRUNESCOPE_CACHE."
        ) from error


def seal(kind: str, key: str, payload: dict[str, Any], **beside: Any) -> bytes:
    """A payload in its envelope, with the checksum that `open_sealed` verifies. `beside` is not under the checksum."""
    envelope = {"schema": SCHEMA, "kind": kind, "key": key, "sha256": key_of(payload), "payload": payload, **beside}
    return canonical(envelope) + b"\n"


def open_sealed(path: Path, kind: str, key: str) -> dict[str, Any]:
    """The envelope of an entry, verified. Raises DamagedEntryError, or StoreError for a newer schema."""
    try:
        envelope = json.loads(path.read_bytes())
        schema = envelope["schema"]
        whole = schema != SCHEMA or (
            (envelope["kind"], envelope["key"], envelope["sha256"]) == (kind, key, key_of(envelope["payload"]))
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedEntryError(f"The entry {path.name} is not readable ({type(error).__name__}).") from error
    if schema != SCHEMA:
        raise StoreError(f"{path} has schema {schema}, this version reads {SCHEMA}; update PruneScope to open it.")
    if not whole:
        raise DamagedEntryError(f"The entry {path.name} does not match its checksum.")
    return dict(envelope)


def level_payload(level: LevelResult) -> dict[str, Any]:
    """A level as JSON values, times left out."""
    payload = asdict(level)
    del payload["seconds"]
    return payload


def level_from(payload: dict[str, Any], seconds: dict[str, float]) -> LevelResult:
    """The inverse of `level_payload`."""
    rates = {name: Rate(**payload[name]) if payload[name] else None for name in ("acc", "aua", "asr")}
    attacks = tuple(AttackRecord(**record) for record in payload["attacks"])
    rest = {"correct": tuple(payload["correct"]), "layers": tuple(payload["layers"]), "attacks": attacks,
            "notices": tuple(payload.get("notices", ()))}  # fmt: skip
    return LevelResult(**{**payload, **rates, **rest, "seconds": seconds})


class Store:
    """The user's store over the bundled one."""

    def __init__(self, root: Path | str | None = None, bundled: Path | None = None) -> None:
        self.root = Path(root).expanduser() if root else paths.user_cache()
        self.bundled = bundled if bundled is not None else paths.BUNDLED
        self.notices: list[str] = []

    def studies(self) -> list[Study]:
        """All studies without their levels, bundled ones first."""
        found: dict[str, Study] = {}
        for base in (self.bundled, self.root):
            for path in sorted((base / "studies").glob("*/study.json")):
                key = path.parent.name
                if key not in found and (study := self._study(path, key, base == self.bundled)):
                    found[key] = study
        return sorted(found.values(), key=lambda s: (not s.bundled, s.about.get("order", 99), s.key))

    def _study(self, path: Path, key: str, bundled: bool) -> Study | None:
        envelope = self._open(path, "study", key)
        if envelope is None:
            return None
        payload = envelope["payload"]
        if key_of(payload["identity"]) != key:
            self._set_aside(path, f"The entry {key[:12]}/study.json does not match its key.")
            return None
        return Study(key, payload["identity"], payload["about"], bundled=bundled)

    def study(self, key: str) -> Study | None:
        """One study with all levels that are there, ascending; None when it is not here."""
        if not _KEY.fullmatch(key):  # a path stays inside its root
            return None
        for base in (self.bundled, self.root):
            path = base / "studies" / key / "study.json"
            if path.is_file() and (head := self._study(path, key, base == self.bundled)):
                levels = {level.sparsity: level for level in self._levels(head)}
                ordered = tuple(levels[sparsity] for sparsity in sorted(levels))
                return Study(key, head.identity, head.about, ordered, head.bundled)
        return None

    def _levels(self, study: Study) -> Iterator[LevelResult]:
        for base in (self.bundled, self.root):  # the user's own come last and win
            for path in sorted((base / "studies" / study.key).glob("*.json")):
                if path.name != "study.json" and (level := self._level(path, study)):
                    yield level

    def _level(self, path: Path, study: Study) -> LevelResult | None:
        if (envelope := self._open(path, "level", path.stem)) is None:
            return None
        try:
            level = level_from(envelope["payload"], dict(envelope["seconds"]))
            if level_key(study.identity, level.sparsity) == path.stem:
                return level
        except (KeyError, TypeError, ValueError, AttributeError):
            pass
        self._set_aside(path, f"The entry {path.name} is not a level of its study.")
        return None

    def level(self, study: Study, sparsity: float) -> LevelResult | None:
        """One level, or None when it was not measured."""
        key = level_key(study.identity, sparsity)
        for base in (self.root, self.bundled):
            path = base / "studies" / study.key / f"{key}.json"
            if path.is_file() and (level := self._level(path, study)):
                return level
        return None

    def save_study(self, study: Study) -> None:
        """Write a study's head, levels not included."""
        payload = {"identity": study.identity, "about": study.about}
        write_whole(self.root / "studies" / study.key / "study.json", seal("study", study.key, payload))

    def save_level(self, study: Study, level: LevelResult) -> None:
        """Write one level and drop its unfinished records."""
        key = level_key(study.identity, level.sparsity)
        content = seal("level", key, level_payload(level), seconds=level.seconds)
        write_whole(self.root / "studies" / study.key / f"{key}.json", content)
        self._partial(study, level.sparsity).unlink(missing_ok=True)

    def _partial(self, study: Study, sparsity: float) -> Path:
        return self.root / "studies" / study.key / f"{level_key(study.identity, sparsity)}.jsonl"

    def keep_attack(self, study: Study, sparsity: float, record: AttackRecord) -> None:
        """Append one attack record of an unfinished level."""
        payload = asdict(record)
        path = self._partial(study, sparsity)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(b"\n" + canonical({"record": payload, "sha256": key_of(payload)}))  # a torn line ends here
        except OSError as error:
            raise StoreError(
                f"The cache cannot be written at {path.parent} ({error.strerror}); name another with --cache."
            ) from error

    def kept_attacks(self, study: Study, sparsity: float) -> tuple[AttackRecord, ...]:
        """The whole records of an unfinished level; a line cut short by a crash is left out and redone."""
        path = self._partial(study, sparsity)
        records = []
        for line in path.read_bytes().splitlines() if path.is_file() else ():
            try:
                entry = json.loads(line)
                if entry["sha256"] == key_of(entry["record"]):
                    records.append(AttackRecord(**entry["record"]))
            except (ValueError, KeyError, TypeError):
                continue
        return tuple(records)

    def _open(self, path: Path, kind: str, key: str) -> dict[str, Any] | None:
        try:
            return open_sealed(path, kind, key)
        except DamagedEntryError as error:
            self._set_aside(path, str(error))
        except StoreError as error:
            self.notices.append(str(error))
        except OSError as error:
            self.notices.append(f"The entry {path} cannot be read ({error.strerror}).")
        return None

    def _set_aside(self, path: Path, why: str) -> None:
        if not path.is_relative_to(self.root) or path.is_relative_to(self.bundled):
            self.notices.append(f"{why} It is bundled: clone the project again to restore it.")
            return
        aside = self.root / "damaged" / path.parent.name / path.name
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, aside)
        except OSError as error:
            self.notices.append(f"{why} It could not be set aside ({error.strerror}); it is left out.")
            return
        self.notices.append(f"{why} It was set aside in {aside.parent} and will be computed again when asked for.")

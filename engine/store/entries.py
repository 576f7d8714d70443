"""One entry of the store: a payload in an envelope with checksums, and the migrations from older
envelopes.

    {"schema": 2, "kind": "level", "key": …, "payload": …, "sha256": of these four,
     "seconds": {"sha256": …, "value": …}, "machine": {"sha256": …, "value": …}}

An entry is exactly the canonical JSON of its envelope, so that no byte of it can change unnoticed.
What stands beside the payload does not enter its checksum, because the same result takes other
times elsewhere; it has its own.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from prunescope.engine.errors import DamagedEntryError, StoreError
from prunescope.engine.records import AttackRecord, LevelResult, Rate
from prunescope.engine.store.checksums import canonical, key_of

# Of what decides a result. It is part of every identity, so it stays while the same request gives
# the same result.
SCHEMA = 1
FORMAT = 2  # of an entry's envelope
LARGEST = 1 << 28  # bytes of an entry; more was not written by this program
FIXED = ("schema", "kind", "key", "sha256", "payload")
BESIDE = ("seconds", "machine")  # of a level
# Of an identity, where they are used: how further text was added, and how the weights were tuned.
TUNING = ("adding", "recovery")


def level_key(identity: dict[str, Any], sparsity: float) -> str:
    """The key of one level of a study; at sparsity 0 nothing is pruned, so the plan is left out."""
    deciding = {
        name: value
        for name, value in identity.items()
        if sparsity > 0 or name not in ("plan", "calibration", *TUNING)
    }
    # 0, 0.0 and -0.0 are one level.
    return key_of({**deciding, "sparsity": round(float(sparsity), 6) + 0.0})


def victim_key(identity: dict[str, Any], sparsity: float) -> str:
    """The key of a pruned victim: everything that decides its weights, the attack and the
    evaluation left out.
    """
    deciding = ("schema", "victim", "calibration", "max_tokens", "plan")
    parts = {name: identity.get(name) for name in deciding}
    tuning = {name: identity[name] for name in TUNING if name in identity}
    if tuning:  # held-out text decided when it ended
        parts |= {**tuning, "held_out": identity["held_out"]}
    return key_of({**parts, "sparsity": round(sparsity, 6)})


def entry_bytes(kind: str, key: str, payload: dict[str, Any], **beside: Any) -> bytes:
    """A payload in its envelope, with the checksums that `read_entry` verifies."""
    envelope = {"schema": FORMAT, "kind": kind, "key": key, "payload": payload}
    beside = {name: _with_sum(value) for name, value in beside.items()}
    return canonical({**envelope, "sha256": key_of(envelope), **beside}) + b"\n"


def _with_sum(value: Any) -> dict[str, Any]:
    return {"sha256": key_of(value), "value": value}


def _sums_beside(envelope: dict[str, Any]) -> dict[str, Any]:
    """Schema 1 had a checksum of the payload alone; what stands beside it is taken as it is."""
    beside = {name: _with_sum(value) for name, value in envelope.items() if name not in FIXED}
    newer = {**envelope, "schema": 2}
    return {
        **newer,
        **beside,
        "sha256": _sum(newer) if envelope["sha256"] == key_of(envelope["payload"]) else "damaged",
    }


def _sum(envelope: dict[str, Any]) -> str:
    return key_of({name: envelope[name] for name in FIXED if name != "sha256"})


# From a schema to the next one.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _sums_beside}


def read_entry(path: Path, kind: str, key: str) -> dict[str, Any]:
    """The envelope of an entry, verified and in today's schema.

    Raises DamagedEntryError, or StoreError for a newer schema.
    """
    if path.stat().st_size > LARGEST:
        raise DamagedEntryError(f"The entry {path.name} is larger than any entry can be.")
    return parse_entry(path.read_bytes(), path.name, kind, key)


def parse_entry(content: bytes, name: str, kind: str, key: str) -> dict[str, Any]:
    """The envelope in `content`; what stands beside its payload is there without its checksum.

    Raises DamagedEntryError, or StoreError for a newer schema.
    """
    try:
        envelope = json.loads(content.decode(), parse_constant=_refuse)
        schema = envelope["schema"]
        if type(schema) is not int:
            raise ValueError(f"schema {schema!r}")
        if schema > FORMAT:
            raise StoreError(
                f"{name} has schema {schema}, this version reads up to {FORMAT}; update PruneScope "
                "to open it."
            )
        whole = canonical(envelope) + b"\n" == content
        for older in range(schema, FORMAT):
            envelope = MIGRATIONS[older](envelope)
        if not set(envelope) <= {*FIXED, *BESIDE}:
            raise ValueError("a name that no entry has")
        beside = {part: value["value"] for part, value in envelope.items() if part not in FIXED}
        whole = whole and all(
            envelope[part]["sha256"] == key_of(value) for part, value in beside.items()
        )
        whole = whole and (envelope["kind"], envelope["key"], envelope["sha256"]) == (
            kind,
            key,
            _sum(envelope),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedEntryError(
            f"The entry {name} is not readable ({type(error).__name__})."
        ) from error
    if not whole:
        raise DamagedEntryError(f"The entry {name} does not match its checksum.")
    return {**envelope, **beside}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def level_payload(level: LevelResult) -> dict[str, Any]:
    """A level as JSON values, without times and machine."""
    payload = asdict(level)
    del payload["seconds"], payload["machine"]
    if level.above_chance is None:  # the bytes of levels that were measured before stay
        del payload["above_chance"]
    return payload


def level_bytes(key: str, level: LevelResult) -> bytes:
    """A level as an entry, its times and machine beside it."""
    # Levels of before 2026-11-28 have no machine.
    machine = {"machine": level.machine} if level.machine else {}
    return entry_bytes("level", key, level_payload(level), seconds=level.seconds, **machine)


def level_in(envelope: dict[str, Any]) -> LevelResult:
    """The level of an opened entry."""
    return level_from(
        envelope["payload"], dict(envelope["seconds"]), dict(envelope.get("machine", {}))
    )


def level_from(
    payload: dict[str, Any], seconds: dict[str, float], machine: dict[str, Any] | None = None
) -> LevelResult:
    """The inverse of `level_payload`."""
    rates = {
        name: Rate(**payload[name]) if payload[name] else None for name in ("acc", "aua", "asr")
    }
    attacks = tuple(AttackRecord(**record) for record in payload["attacks"])
    rest = {
        "correct": tuple(payload["correct"]),
        "layers": tuple(payload["layers"]),
        "attacks": attacks,
        "notices": tuple(payload.get("notices", ())),
    }
    return LevelResult(**{**payload, **rates, **rest, "seconds": seconds, "machine": machine or {}})


def record_line(level: str, record: AttackRecord) -> bytes:
    """One attack record of the unfinished level with this key; it begins with a line break, which
    ends a torn line.
    """
    payload = asdict(record)
    return b"\n" + canonical(
        {"record": payload, "sha256": key_of({"level": level, "record": payload})}
    )


def records_in(content: bytes, level: str) -> tuple[AttackRecord, ...]:
    """The whole records among the lines of an unfinished level; a line cut short, or of another
    level, is left out.
    """
    records = []
    for line in content.splitlines():
        try:
            entry = json.loads(line, parse_constant=_refuse)
            if entry["sha256"] == key_of({"level": level, "record": entry["record"]}):
                records.append(AttackRecord(**entry["record"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return tuple(records)

"""Attacked examples with their texts, which records leave out. They live in memory and in the
user's own cache alone.

Sentences of public data must not travel with the project, so nothing here writes to the bundled
store.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from prunescope.engine import paths
from prunescope.engine.errors import StoreError
from prunescope.engine.records import AttackRecord
from prunescope.engine.store import Store


@dataclass(frozen=True, slots=True)
class AttackText:
    """One attacked example with its texts; what the attack left behind where it did not break the
    victim.
    """

    record: AttackRecord
    truth: int  # the true label
    original: str
    perturbed: str
    label_before: int | None  # what the victim says; None where it gave no answer
    label_after: int | None
    truth_perturbed: float | None  # probability of the true label for the perturbed text
    pair: str | None = None  # the second column of a pair of texts
    perturbed_pair: str | None = None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "AttackText":
        """The inverse of `asdict`. Raises TypeError, KeyError or ValueError for anything else."""
        text = cls(**{**value, "record": AttackRecord(**value["record"])})
        _check_kinds(text)
        _check_kinds(text.record)
        return text


def _check_kinds(record: AttackText | AttackRecord) -> None:
    for field in fields(record):
        value, kind = getattr(record, field.name), field.type
        if not isinstance(value, kind | int if kind in (float, float | None) else kind):  # type: ignore[arg-type]
            raise ValueError(f"{field.name} is {value!r:.40}")


class AttackTexts:
    """The texts of one run of attacks in the user's cache: `texts/<key>.jsonl`, one example a line,
    appended.

    A line cut short by a crash is left out when read, so a run that was stopped goes on at the next
    example.
    """

    def __init__(self, store: Store, key: str) -> None:
        if not may_hold_texts(store):
            raise StoreError(
                f"{store.root} is the bundled store, which holds no texts; name another folder "
                "with --cache."
            )
        self.path = store.root / "texts" / f"{key}.jsonl"

    def keep(self, text: AttackText) -> None:
        """Append one example. Raises StoreError where the cache cannot be written."""
        body = _line(asdict(text))
        entry = _line(
            {"text": json.loads(body), "sha256": hashlib.sha256(body.encode("ascii")).hexdigest()}
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(f"\n{entry}".encode("ascii"))  # a torn line ends here
        except OSError as error:
            raise StoreError(
                f"The cache cannot be written at {self.path.parent} ({error.strerror}); name "
                "another with --cache."
            ) from error

    def stored(self) -> tuple[AttackText, ...]:
        """The whole examples, in the order they were written."""
        texts = []
        for line in self.path.read_bytes().splitlines() if self.path.is_file() else ():
            try:
                entry = json.loads(line)
                if (
                    entry["sha256"]
                    == hashlib.sha256(_line(entry["text"]).encode("ascii")).hexdigest()
                ):
                    texts.append(AttackText.from_json(entry["text"]))
            except (ValueError, KeyError, TypeError):
                continue
        return tuple(texts)


def may_hold_texts(store: Store) -> bool:
    """Whether the folder that a store writes is a user's own; the bundled one travels with the
    project.
    """
    return not store.root.resolve().is_relative_to(paths.BUNDLED.resolve())


def _line(value: Any) -> str:
    # ASCII alone, so that a text which is no valid Unicode is kept too.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)

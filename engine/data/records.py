"""The records every other part of the engine reads: labelled examples, and a data set with its
splits.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from prunescope.engine.errors import DataError
from prunescope.engine.store.checksums import sha256_of


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of examples were read, for messages: a file, or several in order, and row
    numbers in them.
    """

    where: str
    rows: tuple[int, ...]  # of each example, from 1, over all files together
    # (file, rows in it); empty where `where` is the one file.
    parts: tuple[tuple[str, int], ...] = ()

    def place(self, position: int) -> str:
        """Name the row of the example at a position, as in "Row 3 of b.tsv"."""
        return row_in_file(self.where, self.parts, self.rows[position])

    def take(self, positions: Iterable[int]) -> "Origin":
        """The origin of the examples at these positions."""
        return Origin(self.where, tuple(self.rows[position] for position in positions), self.parts)


def row_in_file(where: str, parts: Iterable[tuple[str, int]], row: int) -> str:
    """Name a row as in "Row 3 of b.tsv".

    `row` counts over all parts of a split; the name counts within its part.
    """
    number = row
    for file, rows in parts:
        if number <= rows:
            return f"Row {number} of {file}"
        number -= rows
    return f"Row {row} of {where}"


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled texts, or labelled pairs of texts, in a fixed order.

    Raises DataError where texts, pairs and labels differ in number.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    labels: tuple[int, ...]
    # What a pair's texts are called, which some attacks mind; None is unknown.
    columns: tuple[str, str] | None = None
    # None: not read from a table.
    origin: Origin | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        pairs = len(self.texts) if self.pairs is None else len(self.pairs)
        if not len(self.texts) == pairs == len(self.labels):
            raise DataError(
                f"Examples need one label per text, got {len(self.texts)} texts, {pairs} pairs and "
                f"{len(self.labels)} labels; give all of them the same length."
            )

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Iterable[int]) -> "Examples":
        """The examples at these positions, in the order of the positions."""
        chosen = tuple(indices)
        return Examples(
            texts=tuple(self.texts[i] for i in chosen),
            pairs=None if self.pairs is None else tuple(self.pairs[i] for i in chosen),
            labels=tuple(self.labels[i] for i in chosen),
            columns=self.columns,
            origin=None if self.origin is None else self.origin.take(chosen),
        )

    @classmethod
    def join(cls, parts: Sequence["Examples"]) -> "Examples":
        """All examples, one part after the other, with the first part's columns and no origin.

        Raises DataError where only some parts hold pairs.
        """
        pairs = [part.pairs for part in parts if part.pairs is not None]
        if 0 < len(pairs) < len(parts):
            raise DataError(
                "Rows of pairs and rows of single texts cannot be trained on together; name data "
                "of one kind."
            )
        return cls(
            texts=tuple(chain.from_iterable(part.texts for part in parts)),
            pairs=tuple(chain.from_iterable(pairs)) if pairs else None,
            labels=tuple(chain.from_iterable(part.labels for part in parts)),
            columns=parts[0].columns,
        )

    def place(self, position: int, where: str) -> str:
        """What a message calls an example: its row of the file it was read from, else its row of
        `where`.
        """
        return (
            f"Row {position + 1} of {where}" if self.origin is None else self.origin.place(position)
        )

    def row_keys(self) -> list[tuple[str, str]]:
        """The identity of each example: the text and its pair, or the text alone."""
        return list(zip(self.texts, self.pairs or ("",) * len(self), strict=True))

    def distinct(self) -> list[int]:
        """The first position of every text, or of every pair of texts."""
        first: dict[tuple[str, str], int] = {}
        for position, key in enumerate(self.row_keys()):
            first.setdefault(key, position)
        return list(first.values())

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the content; equal content has an equal fingerprint on every machine."""
        content: dict[str, object] = {
            "labels": self.labels,
            "pairs": self.pairs,
            "texts": self.texts,
        }
        if self.columns is not None:
            content["columns"] = self.columns
        text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return sha256_of(text)


@dataclass(frozen=True, slots=True)
class Classes:
    """How the label numbers of examples are to be read.

    | names | numbered | the labels are                                             |
    |-------|----------|------------------------------------------------------------|
    | None  | no       | numbers as the file has them: from 0, from 1, or −1 and 1  |
    | yes   | no       | positions in the names, which the file has in their place  |
    | yes   | yes      | class numbers of a data set that also names its classes    |
    |       |          | (a `ClassLabel`, True and False)                           |
    | None  | yes      | class numbers of the model, by a label map                 |
    """

    names: tuple[str, ...] | None = None
    numbered: bool = False
    values: tuple[int, ...] = ()  # every label of all splits together, ascending


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set: what is attacked (`evaluation`) and, where there is one, what calibrates
    (`train`).
    """

    name: str
    train: Examples | None
    evaluation: Examples
    classes: Classes
    source: str
    notices: tuple[str, ...] = ()  # what was left out on reading, in sentences

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """What the data set calls its classes; None where it has numbers alone."""
        return self.classes.names

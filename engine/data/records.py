"""The two records every other part of the engine reads: labelled examples, and a data set with its splits."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from engine.errors import DataError


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled texts, or labelled pairs of texts, in a fixed order.

    Raises DataError where texts, pairs and labels differ in number.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    labels: tuple[int, ...]
    columns: tuple[str, str] | None = None  # what a pair's texts are called, which some attacks mind; None is unknown

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
        )

    def row_keys(self) -> list[tuple[str, str]]:
        """What tells rows apart: the text and its pair, or the text alone."""
        return list(zip(self.texts, self.pairs or ("",) * len(self), strict=True))

    def distinct(self) -> list[int]:
        """The first position of every text, or of every pair of texts."""
        first: dict[tuple[str, str], int] = {}
        for position, key in enumerate(self.row_keys()):
            first.setdefault(key, position)
        return list(first.values())

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the content; equal content has an equal fingerprint on every machine."""
        content: dict[str, object] = {"labels": self.labels, "pairs": self.pairs, "texts": self.texts}
        if self.columns is not None:
            content["columns"] = self.columns
        canonical = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set: what is attacked (`evaluation`) and, where there is one, what calibrates (`train`)."""

    name: str
    train: Examples | None
    evaluation: Examples
    label_names: tuple[str, ...] | None
    source: str

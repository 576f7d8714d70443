"""Find the columns that hold the text, its pair and the label: by their usual names, or by the caller's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from engine.errors import DataError, SettingError

TEXT_NAMES = ("text", "sentence", "review", "content", "comment", "body")
PAIR_NAMES = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("claim", "evidence"),
)
LABEL_NAMES = ("label", "labels", "gold_label", "class", "target", "sentiment")


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns the caller named; None leaves a column to detection."""

    text: str | None = None
    pair: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns to read; `pair` is None for single texts."""

    text: str
    pair: str | None
    label: str


@dataclass(frozen=True, slots=True)
class Table:
    """One split as it was read, and what to call it in a message."""

    where: str
    frame: pd.DataFrame
    # Column → names of its class numbers, where the file's schema says them (a `ClassLabel`).
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Of a split in several files: (file, rows in it), in order. Empty where `where` is the one file.
    parts: tuple[tuple[str, int], ...] = ()

    def place(self, row: int) -> str:
        """"Row 3 of b.tsv" for a row of the frame, counted from 1 in the file that holds it."""
        number = row
        for where, rows in self.parts:
            if number <= rows:
                return f"Row {number} of {where}"
            number -= rows
        return f"Row {row} of {self.where}"

    def names(self) -> list[str]:
        """The column names in their order."""
        return [str(name) for name in self.frame.columns]


def find_columns(table: Table, choice: Choice) -> Columns:
    """The columns of one table: those the caller named, the others by their usual names.

    A caller who names the text column and no pair column gets single texts. Raises DataError where a column
    is not found, SettingError where one column would have two roles.
    """
    text, pair = _text_columns(table, choice)
    label = _named(table, choice.label, "--label-column") if choice.label else _detected_label(table)
    _check_distinct(table, [name for name in (text, pair, label) if name is not None])
    return Columns(text, pair, label)


def _text_columns(table: Table, choice: Choice) -> tuple[str, str | None]:
    pair = _named(table, choice.pair, "--pair-column") if choice.pair else None
    if choice.text:
        return _named(table, choice.text, "--text-column"), pair
    text, usual_pair = _detected_text(table)
    return text, pair or usual_pair


def _detected_text(table: Table) -> tuple[str, str | None]:
    single = _first_match(TEXT_NAMES, table.names())
    if single:
        return single, None
    for first, second in PAIR_NAMES:
        text, pair = _match(first, table.names()), _match(second, table.names())
        if text and pair:
            return text, pair
    raise DataError(_not_found(table, "text", "--text-column"))


def _detected_label(table: Table) -> str:
    label = _first_match(LABEL_NAMES, table.names())
    if label is None:
        raise DataError(_not_found(table, "label", "--label-column"))
    return label


def _named(table: Table, wanted: str, option: str) -> str:
    found = _match(wanted, table.names())
    if found is None:
        raise DataError(f"{table.where} has no column {wanted!r}, it has {_listed(table)}; correct {option}.")
    return found


def _first_match(wanted: Iterable[str], present: Sequence[str]) -> str | None:
    return next((found for name in wanted if (found := _match(name, present))), None)


def _match(wanted: str, present: Sequence[str]) -> str | None:
    if wanted in present:
        return wanted
    return next((name for name in present if name.strip().lower() == wanted.lower()), None)


def _check_distinct(table: Table, used: list[str]) -> None:
    for name in used:
        if used.count(name) > 1:
            raise SettingError(
                f"The column {name!r} of {table.where} would be read in two roles; "
                "name different columns with --text-column, --pair-column and --label-column."
            )


def _not_found(table: Table, role: str, option: str) -> str:
    return (
        f"{table.where} has no {role} column with a usual name, it has {_listed(table)}; "
        f"name one with {option}, or add a first line with column names."
    )


def _listed(table: Table) -> str:
    # A file without a header has texts for names, so they are cut.
    return "the columns " + ", ".join(repr(name[:40]) for name in table.names())

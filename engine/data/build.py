"""Turn the tables of one data set into examples: one label mapping, and no row without text or label."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.columns import Choice, Columns, Table, find_columns
from engine.data.labels import LabelColumn, encode_labels
from engine.data.records import Classes, Examples, Origin
from engine.errors import DataError


@dataclass(frozen=True, slots=True)
class Built:
    """The examples of every table in turn, how their labels are to be read, and what was left out."""

    examples: tuple[Examples, ...]
    classes: Classes
    notices: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]  # of each table, the rows that are examples, from 0


def build_examples(tables: Sequence[Table], choice: Choice) -> Built:
    """The examples of tables that belong together. A row without a label is left out, and a notice says so.

    Raises DataError for missing columns or texts, for labels that are none, and where only some tables hold pairs.
    """
    parts = [(table, find_columns(table, choice)) for table in tables]
    _check_same_kind(parts)
    encoded = encode_labels([LabelColumn(table, columns.label) for table, columns in parts], choice.label_map)
    rows = [tuple(row for row, label in enumerate(labels) if label is not None) for labels in encoded.splits]
    examples = [_examples(table, columns, labels, kept)
                for (table, columns), labels, kept in zip(parts, encoded.splits, rows, strict=True)]  # fmt: skip
    left_out = {columns.left_out: _unread(table, columns) for table, columns in parts if columns.left_out}
    return Built(tuple(examples), encoded.classes, (*left_out.values(), *encoded.notices), tuple(rows))


def _unread(table: Table, columns: Columns) -> str:
    return (f"{table.where} is read as single texts, the column {columns.text!r}; {columns.left_out!r} holds texts too and is "
            "left out. Where the model reads both, name them with --text-column and --pair-column.")  # fmt: skip


def _examples(table: Table, columns: Columns, labels: Sequence[int | None], rows: Sequence[int]) -> Examples:
    chosen = tuple(label for label in labels if label is not None)
    origin = Origin(table.where, tuple(row + 1 for row in rows), table.parts)
    texts = _texts(table, columns.text, rows)
    if columns.pair is None:
        return Examples(texts, None, chosen, origin=origin)
    called = (columns.text.lower(), columns.pair.lower())
    return Examples(texts, _texts(table, columns.pair, rows), chosen, called, origin)


def _check_same_kind(found: Sequence[tuple[Table, Columns]]) -> None:
    kinds = {columns.pair is None: table.where for table, columns in found}
    if len(kinds) > 1:
        raise DataError(
            f"{kinds[True]} holds single texts and {kinds[False]} holds pairs; "
            "name columns that both have with --text-column and --pair-column."
        )


def _texts(table: Table, column: str, rows: Sequence[int]) -> tuple[str, ...]:
    values = table.frame[column].tolist()
    return tuple(_text(values[row], row + 1, table, column) for row in rows)


def _text(value: object, row: int, table: Table, column: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise DataError(f"{table.place(row)} has no text in {column!r}; add it or remove the row.")
    if not isinstance(value, str):
        raise DataError(
            f"{table.place(row)} has a {type(value).__name__} in {column!r}; "
            "name a column of texts with --text-column."
        )
    if not value.strip():
        raise DataError(f"{table.place(row)} has a blank text in {column!r}; add it or remove the row.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{table.place(row)} has half a character in {column!r} (at position {error.start}); "
                        "write it whole.") from error  # fmt: skip
    return value

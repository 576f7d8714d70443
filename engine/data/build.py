"""Turn the tables of one data set into examples: one label mapping, and no row without text or
label.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from prunescope.engine.data.columns import Choice, Columns, Table, find_columns
from prunescope.engine.data.labels import LabelColumn, encode_labels
from prunescope.engine.data.records import Classes, Examples, Origin
from prunescope.engine.errors import DataError

# Endings of columns that name the numbers of another: label_text, label_name.
NAMING = ("text", "name", "names", "str")


@dataclass(frozen=True, slots=True)
class BuiltExamples:
    """The examples of every table in turn, how to read their labels, and what was left out."""

    examples: tuple[Examples, ...]
    classes: Classes
    notices: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]  # of each table, the rows that are examples, from 0


def build_examples(tables: Sequence[Table], choice: Choice) -> BuiltExamples:
    """The examples of tables that belong together. A row without a label is left out, and a notice
    says so.

    Raises DataError for missing columns or texts, for labels that are none, and where only some
    tables hold pairs.
    """
    parts = [(table, find_columns(table, choice)) for table in tables]
    parts = [(_with_names(table, columns.label), columns) for table, columns in parts]
    _check_same_kind(parts)
    encoded = encode_labels(
        [LabelColumn(table, columns.label) for table, columns in parts], choice.label_map
    )
    rows = [
        tuple(row for row, label in enumerate(labels) if label is not None)
        for labels in encoded.splits
    ]
    examples = [
        _examples(table, columns, labels, indices)
        for (table, columns), labels, indices in zip(parts, encoded.splits, rows, strict=True)
    ]
    left_out = {
        columns.left_out: unread(table, columns) for table, columns in parts if columns.left_out
    }
    return BuiltExamples(
        tuple(examples), encoded.classes, (*left_out.values(), *encoded.notices), tuple(rows)
    )


def _with_names(table: Table, label: str) -> Table:
    """The table with the names of its label numbers, where a column beside them says these, as
    `label_text` does.

    Raises DataError where one number has two names.
    """
    if label in table.class_names or table.frame.empty:
        return table
    beside = next(
        (
            name
            for name in table.names()
            if name.strip().lower() in [f"{label.lower()}_{end}" for end in NAMING]
        ),
        None,
    )
    if beside is None:
        return table
    pairs = set(zip(map(str, table.frame[label]), map(str, table.frame[beside]), strict=True))
    by_number = {number: name for number, name in pairs if number.isdecimal()}
    if len(by_number) < len(pairs) and all(number.isdecimal() for number, _ in pairs):
        raise DataError(
            f"{table.where} gives one number in {label!r} several names in {beside!r}; correct it, "
            "or name the column that holds the labels with `label_column`."
        )
    if (
        sorted(map(int, by_number)) != list(range(len(by_number)))
        or len(set(by_number.values())) < len(by_number)
        or len(by_number) < len(pairs)
    ):
        return table  # names for some of the classes tell nothing of the others
    names = tuple(by_number[str(number)] for number in range(len(by_number)))
    return replace(table, class_names={**table.class_names, label: names})


def unread(table: Table, columns: Columns) -> str:
    """The notice on a column of texts that is not read."""
    if columns.pair is not None:
        return (
            f"{table.where} is read as pairs, the columns {columns.text!r} and {columns.pair!r}; "
            f"{columns.left_out!r} holds texts too and is left out."
        )
    return (
        f"{table.where} is read as single texts, the column {columns.text!r}; {columns.left_out!r} "
        "holds texts too and is left out. Where the model reads both, name them with "
        "`text_column` and `pair_column`."
    )


def _examples(
    table: Table, columns: Columns, labels: Sequence[int | None], rows: Sequence[int]
) -> Examples:
    chosen = tuple(label for label in labels if label is not None)
    origin = Origin(table.where, tuple(row + 1 for row in rows), table.parts)
    texts = _texts(table, columns.text, rows)
    if columns.pair is None:
        return Examples(texts, None, chosen, origin=origin)
    called = (columns.text.lower(), columns.pair.lower())
    return Examples(texts, _texts(table, columns.pair, rows), chosen, called, origin)


def _check_same_kind(parts: Sequence[tuple[Table, Columns]]) -> None:
    kinds = {columns.pair is None: table.where for table, columns in parts}
    if len(kinds) > 1:
        raise DataError(
            f"{kinds[True]} holds single texts and {kinds[False]} holds pairs; "
            "name columns that both have with `text_column` and `pair_column`."
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
            "name a column of texts with `text_column`."
        )
    if not value.strip():
        raise DataError(
            f"{table.place(row)} has a blank text in {column!r}; add it or remove the row."
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{table.place(row)} has half a character in {column!r} (at position {error.start}); "
            "write it whole."
        ) from error
    return value

"""Turn the tables of one data set into examples: one label mapping, and no row without text or label."""

import math
from collections.abc import Sequence

from engine.data.columns import Choice, Columns, Table, find_columns
from engine.data.labels import LabelColumn, encode_labels
from engine.data.records import Examples
from engine.errors import DataError


def build_examples(tables: Sequence[Table], choice: Choice) -> tuple[list[Examples], tuple[str, ...] | None]:
    """The examples of every table in turn, and the class names where the labels were strings.

    Raises DataError for missing columns, texts or labels and where only some tables hold pairs.
    """
    found = [(table, find_columns(table, choice)) for table in tables]
    _check_same_kind(found)
    raw = [LabelColumn(table.where, table.frame[columns.label].tolist()) for table, columns in found]
    labels, names = encode_labels(raw)
    return [_examples(*parts, numbers) for parts, numbers in zip(found, labels, strict=True)], names


def _examples(table: Table, columns: Columns, labels: tuple[int, ...]) -> Examples:
    if columns.pair is None:
        return Examples(_texts(table, columns.text), None, labels)
    called = (columns.text.lower(), columns.pair.lower())
    return Examples(_texts(table, columns.text), _texts(table, columns.pair), labels, called)


def _check_same_kind(found: Sequence[tuple[Table, Columns]]) -> None:
    kinds = {columns.pair is None: table.where for table, columns in found}
    if len(kinds) > 1:
        raise DataError(
            f"{kinds[True]} holds single texts and {kinds[False]} holds pairs; "
            "name columns that both have with --text-column and --pair-column."
        )


def _texts(table: Table, column: str) -> tuple[str, ...]:
    values = table.frame[column].tolist()
    return tuple(_text(value, row, table.where, column) for row, value in enumerate(values, start=1))


def _text(value: object, row: int, where: str, column: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise DataError(f"Row {row} of {where} has no text in {column!r}; add it or remove the row.")
    if not isinstance(value, str):
        raise DataError(
            f"Row {row} of {where} has a {type(value).__name__} in {column!r}; "
            "name a column of texts with --text-column."
        )
    if not value.strip():
        raise DataError(f"Row {row} of {where} has a blank text in {column!r}; add it or remove the row.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"Row {row} of {where} has half a character in {column!r} (at position {error.start}); "
                        "write it whole.") from error  # fmt: skip
    return value

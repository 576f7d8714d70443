"""Turn label columns into class numbers, with one mapping for all splits of a data set.

Numbers stay what they are. Any other strings become 0..k-1 in sorted order over all splits together, so a
label that only one split has shifts the classes of none.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from engine.errors import DataError

Label = int | float | str
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """The raw labels of one split, and what to call that split in a message."""

    where: str
    values: Sequence[object]


def encode_labels(columns: Sequence[LabelColumn]) -> tuple[list[tuple[int, ...]], tuple[str, ...] | None]:
    """The class numbers of every split in turn, and the class names where the labels were strings.

    Raises DataError for a missing, negative or fractional label and where numbers and names are mixed.
    """
    splits = [(column.where, _present(column)) for column in columns]
    if not _are_names(splits):
        return [_integers(values, where) for where, values in splits], None
    named = [_names(values, where) for where, values in splits]
    names = tuple(sorted({name for split in named for name in split}))
    numbers = {name: number for number, name in enumerate(names)}
    return [tuple(numbers[name] for name in split) for split in named], names


def _present(column: LabelColumn) -> tuple[Label, ...]:
    return tuple(_label(value, row, column.where) for row, value in enumerate(column.values, start=1))


def _label(value: object, row: int, where: str) -> Label:
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and not math.isnan(value):
        return float(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    if value is None or isinstance(value, str | Real):
        raise DataError(f"Row {row} of {where} has no label; add it or remove the row.")
    kind = type(value).__name__
    raise DataError(f"Row {row} of {where} has a label of type {kind}; labels must be integers or strings.")


def _are_names(splits: Sequence[tuple[str, tuple[Label, ...]]]) -> bool:
    """Whether the labels are names. One split of numbers beside one of names is refused, not merged."""
    kinds = {any(_is_name(value) for value in values): where for where, values in splits}
    if len(kinds) > 1:
        raise DataError(
            f"The labels of {kinds[False]} are numbers and those of {kinds[True]} are names; "
            "use one kind in all splits."
        )
    return True in kinds


def _is_name(value: Label) -> bool:
    return isinstance(value, str) and not _NUMBER.fullmatch(value)


def _names(values: tuple[Label, ...], where: str) -> tuple[str, ...]:
    for row, value in enumerate(values, start=1):
        if not isinstance(value, str):
            raise DataError(f"Row {row} of {where} has the label {value} among names; use one kind.")
    return tuple(map(str, values))


def _integers(values: tuple[Label, ...], where: str) -> tuple[int, ...]:
    labels = tuple(_integer(value, row, where) for row, value in enumerate(values, start=1))
    _check_not_negative(labels, where)
    return labels


def _integer(value: Label, row: int, where: str) -> int:
    if isinstance(value, int):
        return value
    if not float(value).is_integer():
        raise DataError(f"Row {row} of {where} has the label {value}, not an integer; name another column.")
    return int(float(value))


def _check_not_negative(labels: tuple[int, ...], where: str) -> None:
    if not labels or min(labels) >= 0:
        return
    if max(labels) < 0:
        raise DataError(
            f"{where} has no labels: all {len(labels)} are {max(labels)}, as in a published test split; "
            "use a split with labels."
        )
    row = next(row for row, label in enumerate(labels, start=1) if label < 0)
    raise DataError(f"Row {row} of {where} has the label {labels[row - 1]}, below 0; remove such rows.")

"""Which split of a data set is evaluated: one rule for folders and for the hub."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from prunescope.engine.data.columns import Choice, Table, find_columns
from prunescope.engine.errors import DataError

TRAIN = "train"
EVALUATION = ("validation", "valid", "dev", "val", "test")
# MNLI has two of each: one with the genres of its training rows, and one with others.
_NAMES = tuple(name for stem in EVALUATION for name in (stem, f"{stem}_matched"))
SPLITS = (*_NAMES, TRAIN)
Split = TypeVar("Split")


def evaluation_splits(splits: Mapping[str, Split]) -> list[tuple[str, Split]]:
    """Name and content of the splits that can be evaluated, the usual one first."""
    spelling = {name.lower(): name for name in splits}
    return [(spelling[name], splits[spelling[name]]) for name in _NAMES if name in spelling]


def train_split(splits: Mapping[str, Split]) -> Split | None:
    """The split that calibrates; None where there is none."""
    return next((split for name, split in splits.items() if name.lower() == TRAIN), None)


def first_labelled(
    candidates: list[tuple[str, Split]], read: Callable[[str, Split], Table], choice: Choice
) -> tuple[str, Table]:
    """The first of these splits whose rows have labels; the first of all where none has any.

    Published test splits often have -1 or nothing for every label.
    """
    name, table = first = candidates[0][0], read(*candidates[0])
    for later in candidates[1:]:
        if _has_labels(table, choice):
            return name, table
        name, table = later[0], read(*later)
    return (name, table) if _has_labels(table, choice) else first


def _has_labels(table: Table, choice: Choice) -> bool:
    """Whether any row has a label. A table without the column is judged, and refused, where it is
    used.
    """
    try:
        label = find_columns(table, choice).label
    except DataError:
        return True
    return any(
        value not in ("", "-1", None) and value == value and value != -1
        for value in table.frame[label].tolist()
    )

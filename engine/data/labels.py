"""Turn label columns into class numbers, with one mapping for all splits of a data set.

Numbers stay what they are. Names become 0..k-1 in natural order (C2 before C10) over all splits
together, so that a label which only one split has shifts the classes of none. A row without a label
is left out and counted.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from prunescope.engine.data.columns import Table
from prunescope.engine.data.label_map import LEFT_OUT, LabelMap
from prunescope.engine.data.matching import BOOLEANS
from prunescope.engine.data.records import Classes
from prunescope.engine.errors import DataError

Label = bool | int | float | str
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,15}(\.0*)?", re.ASCII)
# What stands in the place of a label that is missing, in lower case; a column of names may well
# have a class called "none".
JUNK = frozenset(
    ("", "-", "--", "nan", "na", "n/a", "#n/a", "#na", "<na>", "nat", "null", "?", "[null]")
)
JUNK_AMONG_NUMBERS = JUNK | {"none", "unknown", "unlabeled", "unlabelled"}


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """The raw labels of one split: the table, for messages and its schema, and the column."""

    table: Table
    column: str

    @property
    def values(self) -> list[object]:
        """The labels as the file has them."""
        values: list[object] = self.table.frame[self.column].tolist()
        return values

    @property
    def names(self) -> tuple[str, ...] | None:
        """The class names of the schema."""
        return self.table.class_names.get(self.column)

    def place(self, position: int) -> str:
        """What a message calls a row."""
        return self.table.place(position + 1)


@dataclass(frozen=True, slots=True)
class EncodedLabels:
    """The labels of every split in turn, LEFT_OUT for a row without one, and how to read them."""

    splits: tuple[tuple[int | None, ...], ...]
    classes: Classes
    notices: tuple[str, ...]


def encode_labels(
    columns: Sequence[LabelColumn], label_map: LabelMap | None = None
) -> EncodedLabels:
    """The class numbers of every split.

    Raises DataError for a label that is neither a whole number nor a name, for a split without
    labels, and where numbers and names are mixed.
    """
    splits = [
        [_value(value, column, row) for row, value in enumerate(column.values)]
        for column in columns
    ]
    if label_map is not None:
        return _mapped(columns, splits, label_map)
    splits = [_without_junk(split, column) for split, column in zip(splits, columns, strict=True)]
    encoded: Sequence[Sequence[int | None]]
    if schema := _schema(columns, splits):
        encoded = _by_schema(columns, splits, schema)
        classes = Classes(schema, numbered=True)
    elif _are_booleans(splits):
        encoded = [[_as_boolean(value) for value in split] for split in splits]
        classes = Classes(BOOLEANS, numbered=True)
    elif _are_names(columns, splits):
        names = natural({str(value) for split in splits for value in split if value is not None})
        numbers = {name: number for number, name in enumerate(names)}
        encoded = [
            [LEFT_OUT if value is None else numbers[str(value)] for value in split]
            for split in splits
        ]
        classes = Classes(names)
    else:
        encoded = _numbers(columns, splits)
        classes = Classes()
    return _encoded(columns, encoded, classes)


def _encoded(
    columns: Sequence[LabelColumn], splits: Sequence[Sequence[int | None]], classes: Classes
) -> EncodedLabels:
    """The record, with a notice on what was left out. Raises DataError for a split in which nothing
    is left.
    """
    labels = tuple(map(tuple, splits))
    notices = []
    for column, split in zip(columns, labels, strict=True):
        missing = [row for row, label in enumerate(split) if label is None]
        if not missing:
            continue
        values = column.values
        written = Counter(_shown(values[row]) for row in missing)
        listed = ", ".join(f"{text} in {count}" for text, count in written.most_common(4))
        if len(missing) == len(split) and classes.numbered and classes.names is None:
            raise DataError(
                f"The label map leaves out all {len(split)} rows of {column.table.where} "
                f"({listed}); -1 is for rows without a class."
            )
        if len(missing) == len(split):
            raise DataError(
                f"{column.table.where} has no labels in {column.column!r} ({listed} of "
                f"{len(split)} rows), as a published test split; use a split with labels."
            )
        notices.append(
            f"{len(missing)} of the {len(split)} rows of {column.table.where} have no label "
            f"({listed}) and are left out; the first is "
            f"{column.place(missing[0])[0].lower()}{column.place(missing[0])[1:]}."
        )
    present = tuple(sorted({label for split in labels for label in split if label is not None}))
    return EncodedLabels(labels, Classes(classes.names, classes.numbered, present), tuple(notices))


def _shown(value: object) -> str:
    return "an empty cell" if value is None or not str(value).strip() else repr(value)[:40]


def natural(names: Iterable[str]) -> tuple[str, ...]:
    """Names in natural order: digits count as numbers, so that C2 comes before C10."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = [part for part in re.split(r"([0-9]+)", name) if part]
        digits = [part.lstrip("0") if part[0] in "0123456789" else None for part in parts]
        return [
            (1, 0, part) if number is None else (0, len(number), number)
            for part, number in zip(parts, digits, strict=True)
        ]

    return tuple(sorted(names, key=lambda name: (key(name), name)))


def _value(value: object, column: LabelColumn, row: int) -> Label | None:
    """A label in a plain type; None where there is none."""
    if value is None or (
        isinstance(value, Real) and not isinstance(value, Integral) and math.isnan(value)
    ):
        return None
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):  # numpy's too
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, str):
        return value.strip()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    kind = type(value).__name__
    raise DataError(
        f"{column.place(row)} has a label of type {kind}; a label is one whole number or one name, "
        "so name another column with `label_column`."
    )


def _without_junk(split: list[Label | None], column: LabelColumn) -> list[Label | None]:
    """The labels with None for what stands for a missing one, such as "-" or "nan"."""
    names = {value for value in split if isinstance(value, str)}
    numeric = any(
        not isinstance(value, str) or _NUMBER.fullmatch(value)
        for value in split
        if value is not None
    )
    others = {
        name
        for name in names
        if not _NUMBER.fullmatch(name) and name.lower() not in JUNK_AMONG_NUMBERS
    }
    junk = JUNK_AMONG_NUMBERS if numeric and not others else JUNK
    own = {name.lower() for name in column.names or ()}
    _check_junk(split, junk - own - {""}, column)
    return [
        None if isinstance(value, str) and value.lower() in junk - own else value for value in split
    ]


def _check_junk(split: Sequence[Label | None], junk: frozenset[str], column: LabelColumn) -> None:
    """Raises DataError for a label that reads like a missing one and is as frequent as a class: NA
    may be Namibia.
    """
    counts = Counter(value for value in split if isinstance(value, str))
    classes = [
        count
        for name, count in counts.items()
        if name.lower() not in junk and name and not _NUMBER.fullmatch(name)
    ]
    for name, count in counts.items():
        if name.lower() in junk and classes and count >= max(3, min(classes)):
            raise DataError(
                f"{column.table.where} has the label {name!r} in {count} rows, as often as a "
                "class, and it may mean that there is no label. Say what each label is with "
                f"`label_map`, {name}=-1 where it is none."
            )


def _schema(
    columns: Sequence[LabelColumn], splits: Sequence[Sequence[Label | None]]
) -> tuple[str, ...] | None:
    """The class names of the schema, where the column holds their numbers. Raises DataError where
    splits have different ones.
    """
    if any(_is_name(value) for split in splits for value in split):
        return None
    schemas = {column.names: column.table.where for column in columns if column.names is not None}
    if len(schemas) > 1:
        (first, where), (second, other) = list(schemas.items())[:2]
        raise DataError(
            f"{where} calls its classes {', '.join(first[:12])} and {other} "
            f"{', '.join(second[:12])}; give all splits one schema."
        )
    return next(iter(schemas), None)


def _by_schema(
    columns: Sequence[LabelColumn], splits: Sequence[Sequence[Label | None]], names: tuple[str, ...]
) -> list[list[int | None]]:
    """The numbers that a schema names; −1 is no label, as everywhere on the hub."""
    numbers = [
        [
            None if value is None or str(value) == "-1" else _integer(value, column, row)
            for row, value in enumerate(split)
        ]
        for column, split in zip(columns, splits, strict=True)
    ]
    for column, split in zip(columns, numbers, strict=True):
        for row, number in enumerate(split):
            if number is not None and not 0 <= number < len(names):
                raise DataError(
                    f"{column.place(row)} has the label {number}, and the schema names the classes "
                    f"0 to {len(names) - 1}; correct the row or the schema."
                )
    return numbers


def _are_booleans(splits: Sequence[Sequence[Label | None]]) -> bool:
    values = {value for split in splits for value in split if value is not None}
    return bool(values) and all(
        isinstance(value, bool) or str(value).lower() in ("true", "false") for value in values
    )


def _as_boolean(value: Label | None) -> int | None:
    return None if value is None else int(str(value).lower() == "true")


def _is_name(value: Label | None) -> bool:
    return isinstance(value, str) and not _NUMBER.fullmatch(value)


def _are_names(columns: Sequence[LabelColumn], splits: Sequence[Sequence[Label | None]]) -> bool:
    """Whether the labels are names. One split of numbers beside one of names is refused, not
    merged.
    """
    kinds: dict[bool, str] = {}
    for column, split in zip(columns, splits, strict=True):
        if any(value is not None for value in split):
            kinds.setdefault(any(map(_is_name, split)), column.table.where)
    if len(kinds) > 1:
        raise DataError(
            f"The labels of {kinds[False]} are numbers and those of {kinds[True]} are names; use "
            "one kind in all splits, or map them with `label_map`."
        )
    if True not in kinds:
        return False
    for column, split in zip(columns, splits, strict=True):
        for row, value in enumerate(split):
            if value is not None and not isinstance(value, str):
                raise DataError(
                    f"{column.place(row)} has the label {value} among names; use one kind, or map "
                    "them with `label_map`."
                )
    return True


def _numbers(
    columns: Sequence[LabelColumn], splits: Sequence[Sequence[Label | None]]
) -> list[list[int | None]]:
    encoded = [
        [None if value is None else _integer(value, column, row) for row, value in enumerate(split)]
        for column, split in zip(columns, splits, strict=True)
    ]
    values = {value for split in encoded for value in split if value is not None}
    # A split of nothing but −1, or −1 beside 0, 1, 2, … marks rows without a label; −1, 0, 1 may be
    # three classes
    marks = values >= {-1, 0, 1, 2} and min(values) == -1
    return [
        [None if value == -1 and (marks or set(split) <= {-1, None}) else value for value in split]
        for split in encoded
    ]


def _integer(value: Label, column: LabelColumn, row: int) -> int:
    number = value if isinstance(value, int) else float(value)
    if isinstance(number, float) and not number.is_integer():
        raise DataError(
            f"{column.place(row)} has the label {str(value)[:40]}, which is not a whole number; "
            "only classes are read, so name another column with `label_column`, or map the values "
            "with `label_map`."
        )
    return int(number)


def _mapped(
    columns: Sequence[LabelColumn], splits: Sequence[Sequence[Label | None]], label_map: LabelMap
) -> EncodedLabels:
    """The labels by a label map, which must say what each of them is."""
    mapped = [
        [_target(value, column, row, label_map) for row, value in enumerate(split)]
        for column, split in zip(columns, splits, strict=True)
    ]
    targets = {target for split in mapped for target in split if isinstance(target, str)}
    order = natural(targets)
    encoded = [
        [order.index(target) if isinstance(target, str) else target for target in split]
        for split in mapped
    ]
    return _encoded(columns, encoded, Classes(order) if targets else Classes(numbered=True))


def _target(
    value: Label | None, column: LabelColumn, row: int, label_map: LabelMap
) -> int | str | None:
    if value is None or (str(value).lower() in JUNK and not label_map.names(str(value))):
        return LEFT_OUT
    written = [str(value)]
    if isinstance(value, float) and value.is_integer():
        written.insert(0, str(int(value)))
    elif isinstance(value, str) and _WHOLE.fullmatch(value):  # 1.0 is 1, as without a map
        written.append(str(int(float(value))))
    names = column.names
    if names and isinstance(value, int) and 0 <= value < len(names):
        written.append(names[value])  # by what the schema calls it, too
    return label_map.target(written, column.place(row))

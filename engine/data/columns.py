"""Find the columns that hold the text, its pair and the label: by their usual names, or by the
caller's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from prunescope.engine.data.label_map import LabelMap
from prunescope.engine.data.records import row_in_file
from prunescope.engine.errors import DataError, SettingError

TEXT_NAMES = ("text", "sentence", "review", "content", "comment", "body")
# Pairs as GLUE, SuperGLUE and the hub call them; a table with both columns holds pairs, whatever
# else it has.
PAIR_NAMES = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("claim", "evidence"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "context"),
    ("question", "answer"),
    ("query", "passage"),
    ("query", "document"),
    ("text", "text_pair"),
    ("text1", "text2"),
    ("text", "text2"),
    ("sentence", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("sentence_1", "sentence_2"),
    ("text_1", "text_2"),
    ("s1", "s2"),
    ("q1", "q2"),
    ("context", "response"),
    ("prompt", "response"),
    ("headline", "body"),
    ("document", "summary"),
)
LABEL_NAMES = ("label", "labels", "gold_label", "class", "target", "sentiment")
SECOND_TEXTS = frozenset(
    "aspect query question context reply answer response passage claim evidence hypothesis premise "
    "text_pair".split()
)
LISTED = 20  # columns that a message names
LOOKED_AT = 200  # rows by which a column is taken for texts


@dataclass(frozen=True, slots=True)
class Choice:
    """How the caller says a table is to be read; None leaves it to detection."""

    text: str | None = None
    pair: str | None = None
    label: str | None = None
    label_map: LabelMap | None = None

    @classmethod
    def of(
        cls,
        text_column: str | None = None,
        pair_column: str | None = None,
        label_column: str | None = None,
        label_map: str | None = None,
    ) -> "Choice":
        """As settings write it. Raises SettingError for a label map that is none."""
        return cls(
            text_column, pair_column, label_column, LabelMap.parse(label_map) if label_map else None
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns to read; `pair` is None for single texts."""

    text: str
    pair: str | None
    label: str
    left_out: str | None = None  # a further column of texts that is not read


@dataclass(frozen=True, slots=True)
class Table:
    """One split as it was read, and what to call it in a message."""

    where: str
    frame: pd.DataFrame
    # Column → names of its class numbers, where the file's schema says them (a `ClassLabel`).
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Of a split in several files: (file, rows in it), in order. Empty where `where` is the one
    # file.
    parts: tuple[tuple[str, int], ...] = ()

    def place(self, row: int) -> str:
        """Name a row of the frame as in "Row 3 of b.tsv", counted from 1 in its own file."""
        return row_in_file(self.where, self.parts, row)

    def names(self) -> list[str]:
        """The column names in their order."""
        return [str(name) for name in self.frame.columns]


def find_columns(table: Table, choice: Choice) -> Columns:
    """The columns of one table: those the caller named, the others by their usual names.

    A caller who names the text column and no pair column gets single texts. Raises DataError where
    a column is not found, SettingError where one column would have two roles.
    """
    text, pair = text_columns(table, choice)
    label = label_of(table, choice)
    _check_distinct(table, [name for name in (text, pair, label) if name is not None])
    used = {name for name in (text, pair, label) if name is not None}
    return Columns(text, pair, label, None if choice.text else _further_texts(table, used))


def label_of(table: Table, choice: Choice) -> str:
    """The column of labels. Raises DataError where there is none, or where two differ."""
    if choice.label:
        return _named(table, choice.label, "`label_column`")
    return _detected_label(table)


def text_columns(table: Table, choice: Choice) -> tuple[str, str | None]:
    """The column of texts, and that of second texts of pairs. Raises DataError."""
    pair = _named(table, choice.pair, "`pair_column`") if choice.pair else None
    if choice.text:
        return _named(table, choice.text, "`text_column`"), pair
    text, usual_pair = _detected_text(table)
    return text, pair or usual_pair


def _detected_text(table: Table) -> tuple[str, str | None]:
    for first, second in PAIR_NAMES:
        text, pair = _match(first, table.names()), _match(second, table.names())
        if text and pair and (table.frame.empty or not _is_blank(table, pair)):
            _check_single(table, {text, pair})
            return text, pair
    single = _first_match(TEXT_NAMES, table.names())
    if single is None:
        single = _first_of_pair(table)
    if single is None:
        raise DataError(_not_found(table, "text", "`text_column`"))
    return single, None


def _first_of_pair(table: Table) -> str | None:
    """The column of single texts in a file with the columns of pairs, such as AdvGLUE's, whose
    second column is blank.
    """
    for first, second in PAIR_NAMES:
        text = _match(first, table.names())
        if text and _match(second, table.names()):
            return text
    return None


def _check_single(table: Table, pair: set[str]) -> None:
    """Raises DataError for a table that has a pair and a usual column of single texts: either may
    be what is classified.
    """
    for name in TEXT_NAMES:
        single = _match(name, table.names())
        if single and single not in pair and (table.frame.empty or not _is_blank(table, single)):
            first, second = sorted(pair, key=table.names().index)
            raise DataError(
                f"{table.where} has the column {single!r} and the pair {first!r} and {second!r}; "
                f"say what is classified: `text_column={single}`, or `text_column={first}` "
                f"`pair_column={second}`."
            )


def _is_blank(table: Table, column: str) -> bool:
    """Whether no row has a text in a column."""
    values = table.frame[column]
    return not any(isinstance(value, str) and value.strip() for value in values)


def _further_texts(table: Table, used: set[str]) -> str | None:
    """A column beside those in use that holds texts: of several words or characters, many of them
    different; or what a usual second text is called.
    """
    for column in table.names():
        if column in used or column not in table.frame.columns:
            continue
        values = [
            value.strip()
            for value in table.frame[column].head(LOOKED_AT)
            if isinstance(value, str) and value.strip()
        ]
        usual = column.strip().lower() in SECOND_TEXTS
        words = sum(
            len(value.split()) + (0 if value.isascii() else len(value) // 4) for value in values
        )
        many = len(set(values)) >= min(3, len(values)) and len(set(values)) > len(values) / 10
        if len(values) >= 2 and (usual or (many and words >= 2 * len(values))):
            return column
    return None


def _detected_label(table: Table) -> str:
    usual = [label for name in LABEL_NAMES if (label := _match(name, table.names()))]
    if not usual:
        raise DataError(_not_found(table, "label", "`label_column`"))
    for other in usual[1:]:
        if table.frame[other].tolist() != table.frame[usual[0]].tolist():
            raise DataError(
                f"{table.where} has the columns {usual[0]!r} and {other!r}, which differ; name the "
                "one that holds the labels with `label_column`."
            )
    return usual[0]


def _named(table: Table, column: str, option: str) -> str:
    name = _match(column, table.names())
    if name is None:
        raise DataError(
            f"{table.where} has no column {column!r}, it has {_listed(table)}; correct {option}."
        )
    return name


def _first_match(names: Iterable[str], present: Sequence[str]) -> str | None:
    return next((match for name in names if (match := _match(name, present))), None)


def _match(column: str, present: Sequence[str]) -> str | None:
    if column in present:
        return column
    return next((name for name in present if name.strip().lower() == column.lower()), None)


def _check_distinct(table: Table, used: list[str]) -> None:
    for name in used:
        if used.count(name) > 1:
            raise SettingError(
                f"The column {name!r} of {table.where} would be read in two roles; "
                "name different columns with `text_column`, `pair_column` and `label_column`."
            )


def _not_found(table: Table, role: str, option: str) -> str:
    return (
        f"{table.where} has no {role} column with a usual name, it has {_listed(table)}; "
        f"name one with {option}, or add a first line with column names."
    )


def _listed(table: Table) -> str:
    # A file without a header has texts for names, so they are cut.
    names = [repr(name[:40]) for name in table.names()]
    return (
        "the columns "
        + ", ".join(names[:LISTED])
        + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
    )

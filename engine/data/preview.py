"""What a study would read of a data set, shown before it starts: columns, first rows, and which of
the model's classes each label means. Nothing is refused as long as something can be shown.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.engine.data.checks import check_labels, fit_dataset
from prunescope.engine.data.columns import Choice, Table, find_columns, label_of, text_columns
from prunescope.engine.data.load import dataset_of
from prunescope.engine.data.records import Dataset, Examples
from prunescope.engine.data.source import DataSource
from prunescope.engine.errors import DataError, SettingError

HEAD = 5  # rows that are shown
CUT = 300  # characters of a cell that are shown
MOST_LABELS = 40  # labels that are listed


@dataclass(frozen=True, slots=True)
class LabelLine:
    """A label as the file has it, and what becomes of its rows."""

    label: str
    rows: int
    target: str | None  # the model's class; None where it is left out, or not known
    why: str  # "name", "meaning", "number", "choice", "left out", "unknown"


@dataclass(frozen=True, slots=True)
class DataPreview:
    """What there is to see of a data set, whether it can be used or not."""

    name: str
    about: str  # where it comes from
    rows: int  # of all its tables
    columns: tuple[str, ...]
    text: str | None
    pair: str | None
    label: str | None
    head: tuple[tuple[str, ...], ...]  # cells of the first rows, column by column
    labels: tuple[LabelLine, ...]
    distinct_labels: int
    examples: int  # rows that can be used
    words: float  # of a text, on average
    notices: tuple[str, ...] = ()
    problem: str = ""  # why it cannot be used as it is
    setting: str = ""  # the setting that mends it, where one does


def preview_data(
    source: DataSource, choice: Choice, classes: Sequence[str], model: str, seed: int = 0
) -> tuple[DataPreview, Dataset | None]:
    """The preview for a model that calls its classes so, and the data set in the model's numbering.

    None in its place where the data cannot be used as it is. Without `classes`, which only loading
    a model may tell, labels stay unmatched.
    """
    text, pair, label, error = _columns(source.tables[0], choice)
    data, notices = None, tuple[str, ...]()
    if error is None:
        try:
            data = dataset_of(source, choice, seed)
            notices = data.notices
            if classes:
                data, notices = fit_dataset(data, classes, model)
                check_labels(data.evaluation, len(classes), f"{data.name}, evaluation")
        except (DataError, SettingError) as problem:
            error, data = problem, None
    counts = _label_counts(source, label)
    preview = DataPreview(
        source.name,
        source.about,
        sum(len(table.frame) for table in source.tables),
        tuple(source.tables[0].names()),
        text,
        pair,
        label,
        _head(source.tables[0]),
        _lines(source, data, label, counts, choice, classes),
        len(counts),
        0 if data is None else sum(map(len, _parts(data))),
        0.0 if data is None else _words(data),
        notices,
        "" if error is None else str(error),
        "" if error is None else error.setting or "",
    )
    return preview, data


def _columns(
    table: Table, choice: Choice
) -> tuple[str | None, str | None, str | None, DataError | SettingError | None]:
    """(text, pair, label, why one of them is not known); the others are known all the same."""
    text = pair = label = None
    error: DataError | SettingError | None = None
    try:
        label = label_of(table, choice)
    except DataError as problem:
        error = problem
    try:
        text, pair = text_columns(table, choice)
    except DataError as problem:
        error = problem
    if error is None:
        try:
            find_columns(table, choice)
        except (DataError, SettingError) as problem:
            error = problem
    return text, pair, label, error


def _head(table: Table) -> tuple[tuple[str, ...], ...]:
    rows = table.frame.head(HEAD).itertuples(index=False, name=None)
    return tuple(tuple("" if cell is None else str(cell)[:CUT] for cell in row) for row in rows)


def _raw(value: object) -> str:
    return "" if value is None or value != value else str(value).strip()


def _label_counts(source: DataSource, label: str | None) -> Counter[str]:
    counts: Counter[str] = Counter()
    for table in source.tables:
        if label in table.frame.columns:
            counts.update(map(_raw, table.frame[label].tolist()))
    return counts


def _parts(data: Dataset) -> list[Examples]:
    return [part for part in (data.evaluation, data.train) if part is not None]


def _words(data: Dataset) -> float:
    """Words of an example on average, of both texts of a pair."""
    texts = [*data.evaluation.texts, *(data.evaluation.pairs or ())]
    return sum(len(text.split()) for text in texts) / max(len(data.evaluation), 1)


def _lines(
    source: DataSource,
    data: Dataset | None,
    label: str | None,
    counts: Counter[str],
    choice: Choice,
    classes: Sequence[str],
) -> tuple[LabelLine, ...]:
    """The labels in the order of their frequency, with what the data set made of them."""
    targets = {} if data is None or label is None else _targets(source, data, label)
    names = data.classes.names if data is not None and classes else None
    lines = []
    for value, rows in counts.most_common(MOST_LABELS):
        number = targets.get(value)
        target = names[number] if names is not None and number is not None else None
        lines.append(LabelLine(value, rows, target, _why(value, target, data, choice, classes)))
    return tuple(lines)


def _targets(source: DataSource, data: Dataset, label: str) -> dict[str, int]:
    """Label as written → class number, by the rows that the examples come from."""
    tables = source.tables if source.file is None else source.tables * 2
    parts, targets = (data.evaluation, data.train), dict[str, int]()
    for table, part in zip(tables, parts, strict=False):
        if part is None or part.origin is None or label not in table.frame.columns:
            continue
        values = table.frame[label].tolist()
        for row, number in zip(part.origin.rows, part.labels, strict=True):
            targets[_raw(values[row - 1])] = number
    return targets


def _why(
    value: str,
    target: str | None,
    data: Dataset | None,
    choice: Choice,
    classes: Sequence[str],
) -> str:
    if target is None:
        return "left out" if data is not None and classes else "unknown"
    if choice.label_map is not None:
        return "choice"
    if value.casefold() == target.casefold():
        return "name"
    return "number" if value.lstrip("+-").replace(".", "").isdecimal() else "meaning"

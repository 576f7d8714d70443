"""Read a fixed adversarial set from a file, and fit its labels to a victim's.

Three kinds of file are known by their columns: labelled adversarial texts (AdvGLUE and the like);
clean and adversarial text side by side, as `text1`, `text2` and `original_class`, or as
`original_text`, `perturbed_text` and `original_output`; and logs of attacks, of which the examples
that broke their victim are taken.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from prunescope.engine.attacks.csv_log import from_cells
from prunescope.engine.attacks.logs import COLUMNS, read_log, read_rows
from prunescope.engine.attacks.static import StaticSet
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.attacks.transfer import adversarial_set
from prunescope.engine.data import Classes, Examples, fit_examples
from prunescope.engine.data.build import unread
from prunescope.engine.data.checks import is_whole
from prunescope.engine.data.columns import Choice, Table, find_columns
from prunescope.engine.data.files import read_table
from prunescope.engine.data.label_map import LabelMap
from prunescope.engine.data.labels import LabelColumn, encode_labels
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.models.victim import Victim
from prunescope.engine.paths import expanded

_SENTIMENT = ("negative", "positive")
_INFERENCE = ("entailment", "neutral", "contradiction")
TASKS = {  # in the order of their labels
    "sst2": _SENTIMENT,
    "imdb": _SENTIMENT,
    "mr": _SENTIMENT,
    "movie_review": _SENTIMENT,
    "yelp_polarity": _SENTIMENT,
    "mnli": _INFERENCE,
    "mnli-mm": _INFERENCE,
    "snli": _INFERENCE,
    "qqp": ("not_duplicate", "duplicate"),
    "qnli": ("entailment", "not_entailment"),
    "rte": ("entailment", "not_entailment"),
    "ag_news": ("world", "sports", "business", "sci/tech"),
}
_SIDES = (
    ("original_text", "perturbed_text", "original_output"),
    ("text1", "text2", "original_class"),
)
Row = dict[str, Any]


def read_set(
    path: str | Path,
    task: str | None = None,
    where: Sequence[str] = (),
    columns: Choice | None = None,
) -> StaticSet:
    """The set in a file. `task` picks the rows of one task and says what the labels mean; `where`
    picks rows, as COLUMN=VALUE; `columns` names those of labelled texts where they have other names
    than usual.

    Raises DataError for a file that is none of the known kinds, SettingError for a choice that
    leaves no row.
    """
    source = expanded(path)
    name = ", ".join([source.name, *([task] if task else []), *where])
    if _is_log(source):
        if where:
            raise SettingError(
                f"{source.name} is a JSON log, which has no columns to choose rows by; leave "
                "--where out."
            )
        return replace(
            _from_log(read_log(source), name),
            classes=Classes(_classes(task, source.name), numbered=True),
        )
    table = read_table(source, several=True)
    rows = _chosen([dict(row) for row in table.frame.to_dict("records")], task, where, source.name)
    for number, row in enumerate(rows, start=1):
        if not all(is_whole(value) for value in row.values() if isinstance(value, str)):
            raise DataError(f"Row {number} of {name} has half a character; write it whole.")
    names = set(rows[0])
    sides = next((sides for sides in _SIDES if set(sides) <= names), None)
    if names >= set(COLUMNS):
        static = _from_log(read_rows(rows, name), name)
    elif sides:
        static = _from_sides(rows, sides, name, columns or Choice())
    else:
        static = _labelled(rows, name, columns or Choice(), table.class_names)
    chosen = bool({"task", "dataset"} & names)  # by the task's name, so it may be any
    classes = TASKS.get(task or "") if chosen else _classes(task, source.name)
    static = _as_pairs(static)
    if (
        classes is None or static.classes.names is not None
    ):  # what the file itself calls its classes counts
        return static
    return replace(static, classes=Classes(classes, numbered=True))


def _is_log(path: Path) -> bool:
    """Whether a JSON file is a log, a list of attacked examples, rather than a table."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        rows = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False  # a table, or damaged, which is said where it is read
    return (
        isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict) and "record" in rows[0]
    )


def _classes(task: str | None, name: str) -> tuple[str, ...] | None:
    if task is None:
        return None
    if task not in TASKS:
        raise SettingError(
            f"{name} has no column of tasks, and what the labels of {task!r} mean is unknown; use "
            f"one of {', '.join(TASKS)}, or leave --task out."
        )
    return TASKS[task]


def _chosen(rows: list[Row], task: str | None, where: Sequence[str], name: str) -> list[Row]:
    conditions = dict(_condition(text) for text in where)
    split = next((column for column in ("task", "dataset") if column in rows[0]), None)
    if task and split:
        conditions[split] = task
    if split == "task" and "task" not in conditions and len({row["task"] for row in rows}) > 1:
        raise SettingError(
            f"{name} holds the tasks {_listed(rows, 'task')}; choose one with --task."
        )
    for column, value in conditions.items():
        if column not in rows[0]:
            raise SettingError(
                f"{name} has no column {column!r}, it has {', '.join(map(str, rows[0]))}; correct "
                "--where."
            )
        matching = [row for row in rows if str(row[column]) == value]
        if not matching:
            raise SettingError(
                f"{name} has no row whose {column} is {value!r}; it has {_listed(rows, column)}."
            )
        rows = matching
    # A file of several tasks has columns that the rows of this one lack.
    used = [column for column in rows[0] if any(not _is_missing(row[column]) for row in rows)]
    return [{column: row[column] for column in used} for row in rows]


def _is_missing(value: object) -> bool:
    return value is None or value != value


def _condition(text: str) -> tuple[str, str]:
    column, sign, value = text.partition("=")
    if not sign or not column:
        raise SettingError(
            f"{text!r} is no choice of rows; write COLUMN=VALUE, as in run_type=jin."
        )
    return column, value


def _listed(rows: list[Row], column: str) -> str:
    values = sorted({str(row[column]) for row in rows})
    return ", ".join(value[:40] for value in values[:12]) + (
        f" and {len(values) - 12} more" if len(values) > 12 else ""
    )


def _from_log(texts: Sequence[AttackText], name: str) -> StaticSet:
    static = adversarial_set(name, texts)
    if static is None:
        raise DataError(
            f"{name} holds {len(texts)} attacks and none broke its victim, so it has no "
            "adversarial text; use another."
        )
    notice = (
        f"{len(static)} of the {len(texts)} attacks in {name} broke their victim; their texts are "
        "the set, so a comparison with that victim is one-sided."
    )
    return replace(static, name=name, notices=(notice, *_repeated(static)))


def _from_sides(
    rows: list[Row], sides: tuple[str, str, str], name: str, choice: Choice
) -> StaticSet:
    clean, adversarial, label = sides
    for number, row in enumerate(rows, start=1):
        for column in (clean, adversarial):
            if not isinstance(row[column], str) or not row[column].strip():
                raise DataError(
                    f"Row {number} of {name} has no text in {column!r}; add it or remove the row."
                )
    rows, labels, classes, notices = _labels(rows, label, name, choice.label_map, {})
    if classes.names is None:  # what a victim said: class numbers
        classes = replace(classes, numbered=True)
    cells = [from_cells(row[clean], row[adversarial]) for row in rows]
    halves = [_examples([pair[side] for pair in cells], labels) for side in (0, 1)]
    notice = (
        f"{name} does not hold true labels; what its victim said of the clean text, {label!r}, is "
        "taken for true."
    )
    static = StaticSet(name, halves[1], halves[0], classes)
    return replace(static, notices=(notice, *notices, *_repeated(static)))


def _labels(
    rows: list[Row],
    column: str,
    name: str,
    label_map: LabelMap | None,
    class_names: Mapping[str, tuple[str, ...]],
) -> tuple[list[Row], tuple[int, ...], Classes, tuple[str, ...]]:
    """(the rows that have a label, their labels, how to read these, what was left out)."""
    table = Table(
        name, pd.DataFrame({column: [row[column] for row in rows]}, dtype=object), class_names
    )
    encoded = encode_labels([LabelColumn(table, column)], label_map)
    labelled = [
        (row, label)
        for row, label in zip(rows, encoded.splits[0], strict=True)
        if label is not None
    ]
    return (
        [row for row, _ in labelled],
        tuple(label for _, label in labelled),
        encoded.classes,
        encoded.notices,
    )


def _labelled(
    rows: list[Row], name: str, choice: Choice, class_names: Mapping[str, tuple[str, ...]]
) -> StaticSet:
    """Texts and labels in columns with usual names; a pair column may be blank in every row."""
    table = Table(name, pd.DataFrame(rows))
    columns = find_columns(table, choice)
    rows, labels, classes, notices = _labels(
        rows, columns.label, name, choice.label_map, class_names
    )
    if columns.left_out is not None:
        notices = (unread(table, columns), *notices)
    pairs = (
        [row[columns.pair] if isinstance(row[columns.pair], str) else "" for row in rows]
        if columns.pair
        else []
    )
    if not any(pair.strip() for pair in pairs):
        pairs = []
    for number, row in enumerate(rows, start=1):
        text = row[columns.text]
        if (
            not isinstance(text, str)
            or not text.strip()
            or (pairs and not pairs[number - 1].strip())
        ):
            where = f"{columns.text!r} or {columns.pair!r}" if pairs else repr(columns.text)
            raise DataError(
                f"Row {number} of {name} has no text in {where}; add it or remove the row."
            )
    examples = Examples(tuple(str(row[columns.text]) for row in rows), tuple(pairs) or None, labels)
    return StaticSet(name, examples, None, classes, notices)


def _examples(texts: Sequence[tuple[str, str | None]], labels: tuple[int, ...]) -> Examples:
    pairs = tuple(pair for _, pair in texts if pair is not None)
    return Examples(tuple(text for text, _ in texts), pairs or None, labels)


def _repeated(static: StaticSet) -> list[str]:
    clean = static.clean.texts if static.clean else ()
    repeats = sum(count for count in Counter(clean).values() if count > 1)
    if not repeats:
        return []
    return [
        f"The clean texts of {repeats} rows occur in other rows too, but intervals and tests take "
        "rows for independent."
    ]


def _as_pairs(static: StaticSet) -> StaticSet:
    """Divide texts at their blank line where every text has exactly one, as older versions of
    TextAttack wrote pairs.
    """
    halves = [half for half in (static.clean, static.adversarial) if half]
    if static.clean is None or any(
        half.pairs or any(text.count("\n\n") != 1 for text in half.texts) for half in halves
    ):
        return static
    clean, adversarial = (
        _examples([_split(text) for text in half.texts], half.labels) for half in halves
    )
    notice = (
        f"Every text of {static.name} has one blank line; what is before and after it is taken for "
        "a pair."
    )
    return replace(static, clean=clean, adversarial=adversarial, notices=(*static.notices, notice))


def _split(text: str) -> tuple[str, str]:
    first, _, second = text.partition("\n\n")
    return first, second


def fit_to_victim(static: StaticSet, victim: Victim) -> StaticSet:
    """The set with its labels in the victim's numbering.

    Raises DataError where the labels cannot be matched by meaning, or the task has another number
    of classes than the victim.
    """
    names = static.classes.names
    if (
        names is None and static.classes.numbered and not static.classes.values
    ):  # class numbers of a log
        return static
    if names is not None and static.classes.numbered and len(names) != victim.num_labels:
        raise DataError(
            f"{static.name} has {len(names)} classes ({', '.join(names)}) and {victim.name} has "
            f"{victim.num_labels} ({', '.join(victim.label_names)}); use a model for this task."
        )
    own = victim.label_names
    adversarial, notices = fit_examples(
        static.adversarial, static.classes, own, victim.name, static.name
    )
    clean = (
        static.clean
        and fit_examples(static.clean, static.classes, own, victim.name, static.name)[0]
    )
    return replace(
        static,
        adversarial=adversarial,
        clean=clean,
        classes=Classes(own, True),
        notices=(*static.notices, *notices),
    )

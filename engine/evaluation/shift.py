"""Accuracy in distribution (ID) and out of it (OOD), on sets made to expose shortcuts.

A set has its own classes; a mapping turns the model's into them. HANS knows entailment and
non-entailment, so contradiction and neutral both count as non-entailment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from prunescope.engine.data import Examples, fit_examples
from prunescope.engine.data.matching import nameless
from prunescope.engine.data.tables import LabelledRows, labelled_rows
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.evaluation.measure import read
from prunescope.engine.evaluation.statistics import (
    Statistic,
    bits_to_hex,
    f1_interval,
    independent_difference,
)
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import Rate

WRONG = -1  # a class of the model that the set does not have: such a prediction is wrong
METRICS = ("accuracy", "f1_weighted", "f1_binary")


@dataclass(frozen=True, slots=True)
class Task:
    """A published way to test generalisation."""

    classes: tuple[str, ...]  # of the set, in the order of its numbers
    of_model: dict[str, int]  # name of a model's class, lower case → class of the set
    metric: str = "accuracy"  # what its paper reports
    groups: tuple[str, ...] = ()  # columns by which it is broken down


DUPLICATES = {
    "not duplicate": 0,
    "not_duplicate": 0,
    "not paraphrase": 0,
    "not_paraphrase": 0,
    "duplicate": 1,
    "paraphrase": 1,
    "equivalent": 1,
    "not_equivalent": 0,
}
TASKS = {
    "hans": Task(
        ("entailment", "non-entailment"),
        {"entailment": 0, "neutral": 1, "contradiction": 1, "non-entailment": 1},
        groups=("heuristic", "subcase"),
    ),
    "paws": Task(("not paraphrase", "paraphrase"), DUPLICATES, "f1_weighted"),
    "fever-symmetric": Task(
        ("SUPPORTS", "REFUTES"), {"supports": 0, "refutes": 1, "not enough info": WRONG}
    ),
    "imdb-counterfactual": Task(
        ("negative", "positive"),
        {"negative": 0, "positive": 1, "neg": 0, "pos": 1},
        groups=("version",),
    ),
}


@dataclass(frozen=True, slots=True)
class SetResult:
    """One model on one set."""

    name: str
    metric: str  # the one that counts here
    accuracy: Statistic  # Wilson's interval
    f1_weighted: Statistic  # Σ_c n_c/n · F1_c; bootstrap percentiles
    f1_binary: Statistic | None  # F1 of class 1, for two classes
    # column → value → accuracy
    groups: dict[str, dict[str, Statistic]] = field(default_factory=dict)
    correct: tuple[bool, ...] = ()  # example by example

    @property
    def headline(self) -> Statistic:
        """The value of `metric`."""
        statistic: Statistic = getattr(self, self.metric)
        return statistic


def check_metric(metric: str, classes: int, where: str) -> None:
    """Raises SettingError for a metric that is unknown, or undefined for so many classes."""
    if metric not in METRICS:
        raise SettingError(f"The metric {metric!r} is unknown; choose {', '.join(METRICS)}.")
    if metric == "f1_binary" and classes != 2:
        raise SettingError(
            f"f1_binary is the F1 of class 1 of two, and {where} has {classes} classes; choose "
            "accuracy or f1_weighted."
        )


@dataclass(frozen=True, slots=True)
class ShiftedSet:
    """Examples with the checked mapping from a model's classes to theirs."""

    name: str
    examples: Examples
    classes: int
    mapping: tuple[int, ...]  # class of the model → class of the set, or WRONG
    metric: str = "accuracy"
    # column → value of every row
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()  # what reading it had to say

    def __post_init__(self) -> None:
        check_metric(self.metric, self.classes, self.name)

    def column(self, name: str) -> tuple[str, ...]:
        """The values of a column of groups. Raises DataError where the set has no such column."""
        if name not in self.groups:
            raise DataError(
                f"{self.name} has no column {name!r} to draw rows by; it has "
                f"{', '.join(self.groups) or 'none'}: name one of these, or leave of_each out."
            )
        return self.groups[name]

    def take(self, rows: Sequence[int]) -> "ShiftedSet":
        """Some of the rows."""
        groups = {column: tuple(values[i] for i in rows) for column, values in self.groups.items()}
        return replace(self, examples=self.examples.take(rows), groups=groups)


def mapping_for(
    task: str | None,
    model_classes: Sequence[str],
    numbers: Sequence[int] | None,
    where: str,
    classes: int,
) -> tuple[int, ...]:
    """Class of the model → class of the set.

    `numbers`, one class of the set for each of the model's, come first; a task maps the names of
    the model's classes; without either, equal numbers of classes are the same classes
    (`load_shifted` gives equal names equal numbers). Raises DataError where none of this applies.
    """
    class_names = ", ".join(model_classes)
    if numbers is not None:
        if len(numbers) != len(model_classes) or any(
            not WRONG <= number < classes for number in numbers
        ):
            raise SettingError(
                f"The label map {','.join(map(str, numbers))} does not take the model's "
                f"{len(model_classes)} classes ({class_names}) to the {classes} of {where}; give "
                "one number for each, -1 for one that is not there."
            )
        return tuple(numbers)
    if task is not None:
        task_classes = TASKS[task].of_model
        if all(name.strip().lower() in task_classes for name in model_classes):
            return tuple(task_classes[name.strip().lower()] for name in model_classes)
        if len(model_classes) == classes and nameless(model_classes):
            return tuple(range(classes))
    elif len(model_classes) == classes:
        return tuple(range(classes))
    raise DataError(
        f"{where} has {classes} classes and the model {len(model_classes)} ({class_names}), and "
        "nothing says which is which; give `label_map`, one class of the set for each of the "
        "model's, such as 0,1,1."
    )


def load_shifted(
    data: str,
    model_classes: Sequence[str],
    *,
    task: str | None = None,
    label_map: Sequence[int] | str | None = None,
    pairs: bool | None = None,
    name: str | None = None,
    metric: str | None = None,
    **columns: str | None,
) -> ShiftedSet:
    """The labelled evaluation rows of a file, a folder or a hub data set, for a model's classes.

    `label_map` is a list, for each class of the model the set's (−1 for none), or text that says
    what each label of the set is, see `prunescope.engine.data.label_map`. `pairs` is whether the
    model was trained on pairs. Raises DataError, SettingError or ResourceError.
    """
    if task is not None and task not in TASKS:
        raise SettingError(
            f"The task {task!r} is unknown; choose {', '.join(TASKS)}, or give `label_map`."
        )
    if metric is not None and metric not in METRICS:
        raise SettingError(f"The metric {metric!r} is unknown; choose {', '.join(METRICS)}.")
    groups = TASKS[task].groups if task else ()
    of_labels, of_classes = (label_map, None) if isinstance(label_map, str) else (None, label_map)
    rows = labelled_rows(data, groups, label_map=of_labels, **columns)
    examples, notices = _in_classes_of_the_set(rows, model_classes, task, of_classes, data)
    if pairs is not None and pairs != (examples.pairs is not None):
        raise DataError(
            f"{data} holds {'pairs' if examples.pairs else 'single texts'} and the model was "
            f"trained on {'pairs' if pairs else 'single texts'}; name its columns with "
            "`text_column` and `pair_column`."
        )
    if task is not None:
        classes = len(TASKS[task].classes)
    elif of_classes is not None:
        classes = len(rows.classes.names or ()) or max(examples.labels) + 1
    else:
        classes = len(model_classes)
    mapping = mapping_for(task, model_classes, of_classes, data, classes)
    return ShiftedSet(
        name or data.rsplit("/", 1)[-1].split(".")[0],
        examples,
        classes,
        mapping,
        metric or (TASKS[task].metric if task else "accuracy"),
        rows.groups,
        (*rows.notices, *notices),
    )


def _in_classes_of_the_set(
    rows: LabelledRows,
    model_classes: Sequence[str],
    task: str | None,
    label_map: Sequence[int] | None,
    where: str,
) -> tuple[Examples, tuple[str, ...]]:
    """The rows in the numbering of their own classes, with notices.

    These are a task's, those a label map is for, or the model's.
    """
    if task is not None:
        return fit_examples(
            rows.examples, rows.classes, TASKS[task].classes, f"the task {task}", where
        )
    if label_map is None:
        names, values = rows.classes.names, rows.classes.values
        if names is None and not rows.classes.numbered and len(values) == 1 and values[0] != 0:
            raise DataError(
                f"{where} has the label {values[0]} alone, which may be counted from 0 or from 1; "
                f"say which class it is with `label_map={values[0]}=…`, or give rows of several "
                "classes."
            )
        if names is None and not rows.classes.numbered and max(values) + 1 < len(model_classes):
            model_names = f"{len(model_classes)} ({', '.join(model_classes)})"
            raise DataError(
                f"{where} has {max(values) + 1} classes and the model {model_names}, and nothing "
                "says which is which; give `label_map`, one class of the set for each of the "
                "model's, such as 0,1,1."
            )
        return fit_examples(rows.examples, rows.classes, model_classes, "the model", where)
    if min(rows.classes.values) < 0:
        raise DataError(
            f"{where} has the label {min(rows.classes.values)}, and classes count from 0; number "
            "the labels from 0."
        )
    return rows.examples, ()


def own_set(name: str, examples: Examples, classes: int, metric: str = "accuracy") -> ShiftedSet:
    """Examples in distribution: the classes are the model's."""
    return ShiftedSet(name, examples, classes, tuple(range(classes)), metric)


def measure_set(victim: Victim, shifted: ShiftedSet, report: Progress = SILENT) -> SetResult:
    """Accuracy, weighted and binary F1 with intervals, and accuracy by group."""
    predicted = np.array(
        [shifted.mapping[label] for label in read(victim, shifted.examples, report).predicted]
    )
    return result_of(shifted, predicted)


def result_of(shifted: ShiftedSet, predicted: np.ndarray[Any, np.dtype[np.int64]]) -> SetResult:
    """The measures of predictions (examples,) in the set's classes."""
    labels = np.array(shifted.examples.labels)
    right = predicted == labels
    table = confusion(labels, predicted, shifted.classes)
    groups = {
        column: {
            value: _accuracy(right[np.array(values) == value]) for value in sorted(set(values))
        }
        for column, values in shifted.groups.items()
    }
    return SetResult(
        shifted.name,
        shifted.metric,
        _accuracy(right),
        f1_interval(table, "weighted"),
        f1_interval(table, "binary") if shifted.classes == 2 else None,
        groups,
        tuple(map(bool, right)),
    )


def _accuracy(right: np.ndarray[Any, np.dtype[np.bool_]]) -> Statistic:
    return Statistic.of_rate(Rate.of(int(right.sum()), len(right)))


def confusion(labels: Any, predicted: Any, classes: int) -> Any:
    """(classes, classes + 1): rows are true classes, columns predictions.

    The last column counts predictions that are no class of the set.
    """
    table = np.zeros((classes, classes + 1), dtype=np.int64)
    np.add.at(table, (labels, np.where(predicted == WRONG, classes, predicted)), 1)
    return table


@dataclass(frozen=True, slots=True)
class Generalisation:
    """One model in and out of distribution."""

    inside: SetResult
    outside: tuple[SetResult, ...]

    def gaps(self) -> dict[str, Statistic]:
        """ID − OOD of what counts on each set."""
        return {
            result.name: independent_difference(self.inside.headline, result.headline)
            for result in self.outside
        }

    def payload(self) -> dict[str, Any]:
        """As JSON values; rows that are right as hexadecimal digits, 8 rows in two of them."""

        def plain(result: SetResult) -> dict[str, Any]:
            return {
                **asdict(replace(result, correct=())),
                "correct": bits_to_hex(result.correct),
            }

        return {
            "id": plain(self.inside),
            "ood": [plain(result) for result in self.outside],
            "gaps": {name: asdict(difference) for name, difference in self.gaps().items()},
        }


def generalisation(
    victim: Victim, inside: ShiftedSet, outside: Sequence[ShiftedSet], report: Progress = SILENT
) -> Generalisation:
    """Measure a model in distribution and on every other set."""
    measured = tuple(
        measure_set(victim, shifted, part) for shifted, part in report.each((inside, *outside))
    )
    return Generalisation(measured[0], measured[1:])

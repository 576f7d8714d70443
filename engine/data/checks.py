"""Check labels against a model, bring them into its numbering, and draw a seeded sample."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from engine.data.records import Dataset, Examples
from engine.errors import DataError, SettingError


def check_labels(examples: Examples, num_labels: int, where: str) -> None:
    """Check that the labels suit a model with `num_labels` classes.

    Raises DataError for an empty set, a label outside 0..num_labels-1, and a set with one class only.
    """
    if not len(examples):
        raise DataError(f"{where} has no examples; name data with at least one example of two classes.")
    allowed = f"0..{num_labels - 1}"
    for row, label in enumerate(examples.labels, start=1):
        if not 0 <= label < num_labels:
            from_one = " They seem to be counted from 1, and classes count from 0." if set(examples.labels) <= {
                *range(1, num_labels + 1)} else ""  # fmt: skip
            raise DataError(
                f"Row {row} of {where} has the label {label}, outside the model's {allowed}; "
                f"use data with the model's labels, or a model for these.{from_one}"
            )
    if len(set(examples.labels)) == 1:
        raise DataError(
            f"{where} has one class only: rows 1 to {len(examples)} all have the label "
            f"{examples.labels[0]} of {allowed}; use data with at least two classes."
        )


def fit_labels(data: Dataset, own: Sequence[str], model: str) -> tuple[Dataset, tuple[str, ...]]:
    """The data set with its labels in the numbering of a model whose classes are called `own`, and notices.

    Where both say what their classes are called and the names agree, but for case and punctuation, the model's numbers count;
    so they do where its classes are called by numbers, as ratings are, and the labels are among these. Where the names do not
    tell, the labels stay as they are and a notice says so.
    """
    evaluation = like(data.evaluation, data.label_names, own, f"{data.name}, evaluation")
    train = data.train and like(data.train, data.label_names, own, f"{data.name}, train")
    if evaluation is not None and (train is not None or data.train is None):
        return replace(data, evaluation=evaluation, train=train, label_names=tuple(own)), ()
    return data, () if data.label_names is None else (names_apart(data.label_names, own, model),)


def like(examples: Examples, names: Sequence[str] | None, own: Sequence[str], where: str) -> Examples | None:
    """The examples, whose classes are called `names`, in the numbering of a model that calls its own `own`; None where the names
    do not tell, see `fit_labels`."""
    if names is not None:
        return None if (places := class_places(names, own)) is None else renumbered(examples, places, where)
    numbers = {int(name): place for place, name in enumerate(own) if name.strip().isdecimal()}
    if len(numbers) < len(own) or not set(examples.labels) <= set(numbers):
        return None
    return replace(examples, labels=tuple(numbers[label] for label in examples.labels))


def names_apart(names: Sequence[str], own: Sequence[str], model: str) -> str:
    """What to say where a model's names do not tell which classes are meant."""
    return (f"{model} calls its classes {', '.join(own)}; they are taken for {', '.join(names)}, in this order. "
            "Where that is wrong, name the labels in the data as the model does.")  # fmt: skip


def class_places(names: Sequence[str], own: Sequence[str]) -> list[int] | None:
    """The number that a model with the classes `own` gives to each of `names`; None where it does not know them all."""
    plain, mine = [_plain(name) for name in names], [_plain(name) for name in own]
    if not set(plain) <= set(mine) or len(set(plain)) < len(plain) or len(set(mine)) < len(mine):
        return None
    return [mine.index(name) for name in plain]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def renumbered(examples: Examples, places: Sequence[int], where: str) -> Examples:
    """The examples with `places[label]` for each label. Raises DataError for a label that has no place."""
    for row, label in enumerate(examples.labels, start=1):
        if not 0 <= label < len(places):
            raise DataError(f"Row {row} of {where} has the label {label}, outside the task's 0..{len(places) - 1}; correct it.")
    return replace(examples, labels=tuple(places[label] for label in examples.labels))


def sample(examples: Examples, n: int, seed: int) -> tuple[int, ...]:
    """Sorted positions of `n` examples drawn without replacement; all of them where `n` exceeds the set.

    Raises SettingError for an `n` below 1.
    """
    if n < 1:
        raise SettingError(f"A sample of {n} examples was asked for; ask for at least 1.")
    return tuple(sorted(random.Random(seed).sample(range(len(examples)), min(n, len(examples)))))


def drawn_to_attack(rows: int, attacked: int, seed: int) -> tuple[int, ...]:
    """Which of so many rows are attacked: drawn, for a file may be sorted by its labels."""
    order = list(range(rows))
    random.Random(seed).shuffle(order)
    return tuple(sorted(order[:attacked]))


def is_whole(text: str) -> bool:
    """Whether a text has no half characters (lone surrogates), which no file can hold and no tokenizer takes."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)

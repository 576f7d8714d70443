"""Check labels against a model, and draw a seeded sample."""

import random

from engine.data.records import Examples
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
            raise DataError(
                f"Row {row} of {where} has the label {label}, outside the model's {allowed}; "
                "use data with the model's labels, or a model for these."
            )
    if len(set(examples.labels)) == 1:
        raise DataError(
            f"{where} has one class only: rows 1 to {len(examples)} all have the label "
            f"{examples.labels[0]} of {allowed}; use data with at least two classes."
        )


def sample(examples: Examples, n: int, seed: int) -> tuple[int, ...]:
    """Sorted positions of `n` examples drawn without replacement; all of them where `n` exceeds the set.

    Raises SettingError for an `n` below 1.
    """
    if n < 1:
        raise SettingError(f"A sample of {n} examples was asked for; ask for at least 1.")
    return tuple(sorted(random.Random(seed).sample(range(len(examples)), min(n, len(examples)))))

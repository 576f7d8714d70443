"""The class names of data that a model is trained on, and its labels numbered in their order."""

from collections.abc import Mapping
from dataclasses import replace

from prunescope.engine.data import Classes, Dataset, Examples
from prunescope.engine.data.matching import class_places, numbers_named
from prunescope.engine.errors import DataError


def named_data(
    data: Dataset, given: tuple[str, ...] | None = None
) -> tuple[Dataset, tuple[str, ...], tuple[str, ...]]:
    """(the data with labels from 0 in the order of the class names, these names, notices), for a
    model that is trained on it.

    Names that are `given` and that the data has too stand in the order given; others are new names
    for the classes in the data's order, and a notice says which is which. Raises DataError, see
    `names_of`.
    """
    names, notices = data.label_names, data.notices
    numbers: dict[int, int] = {}
    if names is None and (counted := numbers_named(data.classes)) is not None:
        # −1 and 1, or numbers from 1
        numbers, names = counted, tuple(map(str, counted))
    if given and names:
        if (order := class_places(names, given)) is not None:
            numbers = dict(zip(numbers or range(len(names)), order, strict=True))
        elif len(names) == len(given):
            pairs = ", ".join(
                f"{old} is called {new}" for old, new in zip(names, given, strict=True)
            )
            notices = (
                *notices,
                f"The classes of {data.name} get the names that were given: {pairs}.",
            )
    evaluation, train = (
        renumbered(data.evaluation, numbers),
        data.train and renumbered(data.train, numbers),
    )
    names = names_of(data.name, names, train or evaluation, given)
    return (
        replace(data, evaluation=evaluation, train=train, classes=Classes(names, True), notices=()),
        names,
        notices,
    )


def renumbered(examples: Examples, numbers: Mapping[int, int]) -> Examples:
    """The examples with other numbers for their labels; themselves where there are none."""
    return (
        replace(examples, labels=tuple(numbers[label] for label in examples.labels))
        if numbers
        else examples
    )


def names_of(
    where: str, own: tuple[str, ...] | None, rows: Examples, given: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    """The class names: those that are given, else the data's `own`, else numbers.

    Raises DataError where the labels leave a gap, do not suit the names that were given, or differ
    in capitals alone.
    """
    present = sorted(set(rows.labels))
    if min(present) < 0:
        raise DataError(
            f"{rows.place(rows.labels.index(min(present)), where)} has the label {min(present)}, "
            "below 0; say what each label is with `label_map`, −1 leaves rows out."
        )
    names = given or own or tuple(f"LABEL_{number}" for number in range(max(present) + 1))
    alike = {name.lower(): name for name in names}
    if twin := next((name for name in names if alike[name.lower()] != name), None):
        raise DataError(
            f"{where} has the labels {twin!r} and {alike[twin.lower()]!r}, which differ in "
            "capitals alone; write them alike, or say which class each is with `label_map`."
        )
    if len(present) < 2:
        raise DataError(
            f"All {len(rows)} training rows have the label {present[0]}; give rows of at least two "
            "classes."
        )
    if missing := [number for number in range(len(names)) if number not in present]:
        raise DataError(
            f"No training row has the label {missing[0]}, of {len(names)} from 0 to "
            f"{len(names) - 1} (present: {', '.join(map(str, present))}); number the labels "
            "without a gap."
        )
    if max(present) >= len(names):
        raise DataError(
            f"A training row has the label {max(present)} and there are {len(names)} label names "
            f"({', '.join(names)}); name all of them."
        )
    return names

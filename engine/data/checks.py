"""Check labels against a model, bring them into its numbering, and draw a seeded sample."""

from collections.abc import Sequence
from dataclasses import replace

from prunescope.engine.data.matching import match_labels
from prunescope.engine.data.records import Classes, Dataset, Examples
from prunescope.engine.errors import DataError


def check_labels(examples: Examples, num_labels: int, where: str) -> None:
    """Check that the labels suit a model with `num_labels` classes.

    Raises DataError for an empty set, a label outside 0..num_labels-1, and a set with one class
    only.
    """
    if not len(examples):
        raise DataError(
            f"{where} has no examples; name data with at least one example of two classes."
        )
    allowed = f"0..{num_labels - 1}"
    for position, label in enumerate(examples.labels):
        if not 0 <= label < num_labels:
            raise DataError(
                f"{examples.place(position, where)} has the label {label}, outside the model's "
                f"{allowed}; use data with the model's labels, or a model for these."
            )
    if len(set(examples.labels)) == 1:
        raise DataError(
            f"{where} has one class only: rows 1 to {len(examples)} all have the label "
            f"{examples.labels[0]} of {allowed}; add rows of another class, or use other data."
        )


def fit_dataset(data: Dataset, own: Sequence[str], model: str) -> tuple[Dataset, tuple[str, ...]]:
    """The data set with its labels in the numbering of a model whose classes are called `own`, and
    notices.

    Raises DataError where the labels cannot be matched by meaning, see
    `prunescope.engine.data.matching`.
    """
    parts = [part for part in (data.evaluation, data.train) if part is not None]
    fitted, notices = _fitted(parts, data.classes, own, model, data.name)
    classes = Classes(
        tuple(own), True, tuple(sorted({label for part in fitted for label in part.labels}))
    )
    train = fitted[1] if data.train is not None else None
    return replace(data, evaluation=fitted[0], train=train, classes=classes, notices=()), (
        *data.notices,
        *notices,
    )


def fit_examples(
    examples: Examples, classes: Classes, own: Sequence[str], model: str, where: str
) -> tuple[Examples, tuple[str, ...]]:
    """The same for examples alone."""
    (fitted,), notices = _fitted([examples], classes, own, model, where)
    return fitted, notices


def _fitted(
    parts: Sequence[Examples], classes: Classes, own: Sequence[str], model: str, name: str
) -> tuple[list[Examples], tuple[str, ...]]:
    def locate(label: int) -> str:
        for part in parts:
            if label in part.labels:
                return part.place(part.labels.index(label), name)
        return where  # of a row that is not among these

    origin = parts[0].origin
    where = name if origin is None else origin.where
    if not classes.values:  # made by hand, so the labels there are are all
        classes = replace(
            classes, values=tuple(sorted({label for part in parts for label in part.labels}))
        )
    if classes.names is not None and (
        odd := [value for value in classes.values if not 0 <= value < len(classes.names)]
    ):
        raise DataError(
            f"{locate(odd[0])} has the label {odd[0]}, outside the 0..{len(classes.names) - 1} of "
            f"the names {', '.join(classes.names[:12])}; correct it."
        )
    if classes.names is None and not classes.numbered and min(classes.values) == 0:
        for part in parts:
            values = tuple(sorted(set(part.labels)))
            if len(values) > 1 and min(values) > 0:  # this part may count from 1
                part_name = part.origin.where if part.origin else name
                match_labels(Classes(values=values), own, model, part_name)
    match = match_labels(classes, own, model, where, locate)
    fitted = [
        replace(part, labels=tuple(match.places[label] for label in part.labels)) for part in parts
    ]
    return fitted, () if match.notice is None else (match.notice,)


def is_whole(text: str) -> bool:
    """Whether a text has no half characters (lone surrogates), which no file can hold and no
    tokenizer takes.
    """
    return not any("\ud800" <= sign <= "\udfff" for sign in text)

"""Which class of a model each label of a data set means.

Labels are matched by meaning alone: names by what they say, numbers where only one numbering fits.
What can be read in two ways is refused with the label map that would decide it, because a wrong
guess is a wrong accuracy that nobody sees.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prunescope.engine.data.records import Classes
from prunescope.engine.errors import DataError

# Spellings of one class. Only what is the same in every task stands here.
SYNONYMS = (
    ("negative", "neg"),
    ("positive", "pos"),
    ("neutral", "neu"),
    ("entailment", "entails", "entailed"),
    ("contradiction", "contradicts", "contradictory"),
    ("notentailment", "nonentailment"),
    ("duplicate", "isduplicate"),
    ("notduplicate", "nonduplicate"),
    ("paraphrase", "isparaphrase"),
    ("notparaphrase", "nonparaphrase"),
    ("supports", "supported", "support"),
    ("refutes", "refuted", "refute"),
    ("notenoughinfo", "nei"),
    ("scitech", "scienceandtechnology", "sciencetechnology", "scienceandtech"),
    ("sports", "sport"),
    ("spam",),
    ("ham", "notspam", "nonspam"),
    ("offensive",),
    ("notoffensive", "nonoffensive"),
    ("toxic",),
    ("nottoxic", "nontoxic"),
    ("hate", "hateful"),
    ("nothate", "nonhate", "nothateful"),
    ("irony", "ironic"),
    ("nonirony", "notironic", "nonironic"),
    ("acceptable",),
    ("unacceptable", "notacceptable"),
    ("yes", "true"),
    ("no", "false"),
)
_MEANING = {spelling: spellings[0] for spellings in SYNONYMS for spelling in spellings}
BOOLEANS = ("False", "True")  # what a column of them calls its classes
# A number between words; a hyphen after a word is none of its sign, as in grade-3.
_NUMBERED = re.compile(r"(\D*?(?<=\w)-|\D*?)((?<!\w)-[0-9]{1,9}|[0-9]{1,9})(\D*)")
SHOWN = 12  # classes that a message lists


@dataclass(frozen=True, slots=True)
class Match:
    """The class number of the model for each label number of the data, with a notice."""

    places: Mapping[int, int]
    notice: str | None = None


def _plain(name: str) -> str:
    return name.strip().lower()


def _joined(name: str) -> str:
    return re.sub(r"[\s_\-/.]+", "_", _plain(name))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", _plain(name)) or _plain(name)


def _meaning(name: str) -> str:
    return _MEANING.get(_letters(name), _letters(name))


def class_places(names: Sequence[str], own: Sequence[str]) -> list[int] | None:
    """The number that a model with the classes `own` gives to each of `names`; None where it does
    not know them all.

    Names agree as they are, else but for case, else but for what stands between words, else but for
    all punctuation, else by `SYNONYMS`; the first way that finds every name and tells all of the
    model's classes apart counts.
    """
    exact: Callable[[str], str] = str.strip
    for reading, merges in (
        (exact, False),
        (_plain, True),
        (_joined, True),
        (_letters, False),
        (_meaning, False),
    ):
        theirs, mine = [reading(name) for name in names], [reading(name) for name in own]
        if len(set(mine)) < len(mine) or not set(theirs) <= set(mine):
            continue
        if len(set(theirs)) == len(theirs) or merges:
            return [mine.index(name) for name in theirs]
    return None


def nameless(names: Sequence[str]) -> bool:
    """Whether the names are only numbers, as in a model that was saved without class names."""
    return all(name.upper().startswith("LABEL_") for name in names)


def can_match(names: Sequence[str], own: Sequence[str]) -> bool:
    """Whether classes called `names` are classes of a model that calls them `own`: by name, or by
    number where one side has no names.
    """
    return nameless(names) or nameless(own) or class_places(names, own) is not None


def unmatched(first: str, names: Sequence[str], second: str, others: Sequence[str]) -> str:
    """The sentence, without its end, on two sides whose classes cannot be matched."""
    return (
        f"{first} calls its classes {_listed(names)}, and {second} calls them {_listed(others)}; "
        "nothing says which is which"
    )


def match_labels(
    classes: Classes,
    own: Sequence[str],
    model: str,
    where: str,
    locate: Callable[[int], str] | None = None,
) -> Match:
    """What the labels of a data set are for a model that calls its classes `own`.

    `locate` says where a label occurs first, such as "Row 3 of b.tsv". Raises DataError where a
    label is none of the model's, and where nothing tells which is which.
    """
    locate = locate or (lambda label: where)
    if classes.names is None:
        if classes.numbered:  # by a label map, whose numbers are the model's
            return _identity(classes.values, own, model, locate)
        return _match_numbers(classes.values, own, model, where, locate)
    used = [classes.names[value] for value in classes.values]
    if (numbers := class_places(used, own)) is not None:
        return Match(dict(zip(classes.values, numbers, strict=True)))
    if (
        inverse := class_places(own, classes.names)
    ) is not None:  # the set tells further classes apart
        unknown = next(
            (value for value in classes.values if value not in inverse), classes.values[0]
        )
        raise DataError(
            f"{locate(unknown)} has the label {classes.names[unknown]!r}, and {model} calls its "
            f"classes {_listed(own)}; use a model that knows it, or say which is which: "
            f"{_hint(used, own)}, with -1 for rows to leave out."
        )
    counted = (classes.names == BOOLEANS and not _is_turned(own)) if not nameless(own) else True
    if classes.numbered and counted and len(classes.names) == len(own):
        notice = _order_notice(used, [own[value] for value in classes.values], model, where)
        return Match({value: value for value in classes.values}, notice)
    if not classes.numbered and (numbers := numbers_in(used)) is not None:
        labels = dict(zip(numbers, classes.values, strict=True))
        match = _match_numbers(
            tuple(sorted(numbers)), own, model, where, lambda number: locate(labels[number])
        )
        taken = [match.places[number] for number in numbers]
        notice = _order_notice(used, [own[number] for number in taken], model, where)
        return Match(dict(zip(classes.values, taken, strict=True)), notice)
    raise DataError(
        f"{unmatched(where, used, model, own)}. Say it with a label map: {_hint(used, own)}."
    )


def numbers_in(names: Sequence[str]) -> list[int] | None:
    """The numbers of classes that are called by a number each, as C1 … C12, class_0 … class_11 or
    "1 star" … "5 stars".

    None where their words differ by more than a plural.
    """
    parts = [_NUMBERED.fullmatch(name.strip()) for name in names]
    if not all(parts):
        return None
    numbers = [int(part[2]) for part in parts if part]
    stems = {
        (part[1].strip().lower(), part[3].strip().lower().removesuffix("s"))
        for part in parts
        if part
    }
    return numbers if len(stems) == 1 and len(set(numbers)) == len(numbers) else None


def _places_in(names: Sequence[str]) -> list[int] | None:
    """The numbers in names that hold one each, whatever their words: "0_negative", "1_positive";
    all places, in some order.
    """
    runs = [re.findall(r"[0-9]+", name) for name in names]
    numbers = [int(digits[0]) for digits in runs if len(digits) == 1 and len(digits[0]) < 9]
    return numbers if sorted(numbers) == list(range(len(names))) else None


def numbers_named(classes: Classes) -> dict[int, int] | None:
    """Label → class number from 0 for labels that are −1 and 1, or counted from 1 without a gap;
    None for others.

    A model that is trained on them calls its classes by these numbers, so that it reads them
    rightly afterwards.
    """
    values = classes.values
    if (
        classes.names is None
        and not classes.numbered
        and (values == (-1, 1) or values == tuple(range(1, len(values) + 1)))
    ):
        return {value: number for number, value in enumerate(values)}
    return None


# Orders in which tasks usually number their classes, by meaning.
_USUAL = (
    ("negative", "positive"),
    ("negative", "neutral", "positive"),
    ("entailment", "neutral", "contradiction"),
    ("no", "yes"),
    ("notduplicate", "duplicate"),
    ("notparaphrase", "paraphrase"),
    ("ham", "spam"),
    ("nottoxic", "toxic"),
    ("nothate", "hate"),
    ("notoffensive", "offensive"),
    ("unacceptable", "acceptable"),
    ("nonirony", "irony"),
    ("entailment", "notentailment"),
)


def _is_turned(own: Sequence[str]) -> bool:
    """Whether a model numbers the classes of a known task in another order than is usual."""
    meanings = tuple(_meaning(name) for name in own)
    return any(set(meanings) == set(usual) and meanings != usual for usual in _USUAL)


def _match_numbers(
    values: Sequence[int], own: Sequence[str], model: str, where: str, locate: Callable[[int], str]
) -> Match:
    """Numbers are class numbers from 0, or what the model calls its classes, or counted from 1, or
    −1 and 1.
    """
    count, numbers = len(own), numbers_in(own) or _places_in(own)
    from_zero = list(range(count))
    by_place = {value: value for value in values} if set(values) <= set(from_zero) else None
    by_name = (
        {value: numbers.index(value) for value in values}
        if numbers and set(values) <= set(numbers)
        else None
    )
    if by_place and by_name and by_place != by_name:
        raise DataError(
            _two_readings(values, own, model, where, "or be the numbers in their names")
        )
    if by_name and numbers != from_zero:
        return Match(by_name)
    if not by_place:
        return _match_shifted(values, own, model, where, locate, numbers)
    if min(values) > 0 and len(values) > 1:  # where 0 is missing they may count from 1 as well
        raise DataError(_two_readings(values, own, model, where))
    # Worth a notice: classes that are called by other numbers, stand in another order than is
    # usual, or lack the last.
    is_odd = numbers not in (None, from_zero) or _is_turned(own) or max(values) < count - 1
    notice = _taken_by(by_place, own, model, where) if is_odd else None
    return Match(by_place, notice)


def _match_shifted(
    values: Sequence[int],
    own: Sequence[str],
    model: str,
    where: str,
    locate: Callable[[int], str],
    numbers: Sequence[int] | None,
) -> Match:
    """Numbers counted from 1, or −1 and 1. `numbers` are those in the names of the classes."""
    count, labels = len(own), [str(value) for value in values]
    if _is_turned(own):  # by meaning −1 would be the other class than by place
        raise DataError(
            f"The labels of {where} are {_listed(labels)}, and {model} calls its classes "
            f"{_listed(own)}, in this order; nothing says which is which. Say it with a label map: "
            f"{_hint(labels, own)}."
        )
    shifted = None
    if set(values) == {-1, 1} and count == 2:
        shifted = {-1: 0, 1: 1}
    elif min(values) >= 1 and max(values) == count:
        named_from_zero = numbers and min(numbers) == 0 and not nameless(own)
        shifted = None if named_from_zero else {value: value - 1 for value in values}
    if shifted:
        return Match(shifted, _taken_by(shifted, own, model, where))
    outside = next(value for value in values if not 0 <= value < count)
    raise DataError(
        f"{locate(outside)} has the label {str(outside)[:40]}, outside the 0..{count - 1} of "
        f"{model} ({_listed(own)}); use data with the model's classes, or say what each label is: "
        f"{_hint(labels, own)}."
    )


def _taken_by(order: Mapping[int, int], own: Sequence[str], model: str, where: str) -> str:
    """`_order_notice` for labels that are numbers."""
    return _order_notice(
        [str(value) for value in order], [own[number] for number in order.values()], model, where
    )


def _two_readings(
    values: Sequence[int], own: Sequence[str], model: str, where: str, other: str = "or from 1"
) -> str:
    labels = [str(value) for value in values]
    return (
        f"The labels of {where} are {_listed(labels)}: {model}'s {len(own)} classes "
        f"({_listed(own)}) may be counted from 0 {other}. Say which: {_hint(labels, own)}."
    )


def _identity(
    values: Sequence[int], own: Sequence[str], model: str, locate: Callable[[int], str]
) -> Match:
    if outside := [value for value in values if not 0 <= value < len(own)]:
        raise DataError(
            f"{locate(outside[0])} has the class {outside[0]} by the label map, outside the "
            f"0..{len(own) - 1} of {model} ({_listed(own)}); correct the label map."
        )
    return Match({value: value for value in values})


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(name[:40] for name in names[:SHOWN]) + more


def _hint(labels: Sequence[str], own: Sequence[str]) -> str:
    """A label map to fill in; as JSON where a label holds a sign."""
    more = ",…" if len(labels) > 4 else ""
    if any(set(label) & set(",='{\"") for label in labels):
        entries = (
            "{"
            + ", ".join(f"{json.dumps(label, ensure_ascii=False)}: …" for label in labels[:4])
            + more
            + "}"
        )
    else:
        entries = ",".join(f"{label}=…" for label in labels[:4]) + more
    last = f" to {len(own) - 1} for {own[-1]}" if len(own) > 1 else ""
    return f"`label_map={entries}`, with 0 for {own[0]}{last}"


def _order_notice(labels: Sequence[str], names: Sequence[str], model: str, where: str) -> str:
    """The notice that says which label is taken for which class."""
    pairs = ", ".join(
        f"{label} for {name}" for label, name in list(zip(labels, names, strict=True))[:SHOWN]
    )
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return (
        f"The labels of {where} are taken for the classes of {model} in this order: {pairs}{more}. "
        "Where that is wrong, say which is which with `label_map`."
    )

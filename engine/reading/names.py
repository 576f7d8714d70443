"""What studies are called, for every list of them: no two read alike, and what tells them apart is
said. Light to import.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from prunescope.engine.attacks.catalogue import ATTACKS
from prunescope.engine.formatting import short
from prunescope.engine.pruning.methods import METHODS

DATA_TITLES = {
    "embedded": "PruneScope reviews",
    "sst2": "SST-2",
    "stanfordnlp/sst2": "SST-2",
    "ag_news": "AG News",
    "imdb": "IMDB",
}
COUNTS = {
    "evaluation": "evaluated",
    "attacked": "attacked",
    "calibration": "calibration texts",
    "held_out": "held out",
}
NAMED = {
    "model",
    "data",
    "method",
    "pattern",
    "allocation",
    "layers",
    "attack",
    "seed",
    "calibration",
    "held_out",
    "eval_examples",
    "attack_examples",
}
DIGITS = 6  # of a key, at least, where no setting tells two studies apart
About = Mapping[str, Any]


class Listed(Protocol):
    """A study, or its row in a list."""

    @property
    def key(self) -> str: ...
    @property
    def about(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class StudyName:
    """What a study is called beside others."""

    model: str
    data: str
    more: str  # what tells it apart from others of the same words; mostly empty
    text: str  # the whole name


def full_names(studies: Sequence[Listed]) -> list[str]:
    """Each study in words, all of them distinct: "MiniLM-L6 on SST-2, adaptive, DeepWordBug, 200
    attacked".
    """
    return [name.text for name in study_names(studies)]


def study_names(studies: Sequence[Listed]) -> list[StudyName]:
    """`full_names` with their parts.

    Models and data of one name in several places are called by as much of their paths as tells
    these apart. Where the words are the same, the settings that differ are added; the key's first
    digits only where none does, or where they are the same study.
    """
    models, data = _models(studies), _data(studies)
    names = [
        f"{model} on {rows}, {method_title(study.about)}, {_attacked(study.about)}"
        for model, rows, study in zip(models, data, studies, strict=True)
    ]
    texts = _apart(names, studies, [values for kind, values in _parts(studies) if kind == "more"])
    return [
        StudyName(model, rows, text.removeprefix(name).lstrip(", ·"), text)
        for model, rows, name, text in zip(models, data, names, texts, strict=True)
    ]


def short_names(studies: Sequence[Listed]) -> list[str]:
    """What tells the studies apart, in as few words as do, all of them distinct; the method where
    there is nothing to tell.
    """
    names = ["" for _ in studies]
    for _, values in _parts(studies):
        if _finer(names, values):
            names = [", ".join(filter(None, pair)) for pair in zip(names, values, strict=True)]
    if not any(names):
        names = [method_title(study.about) for study in studies]
    return _with_keys(names, studies)


def method_title(about: About) -> str:
    """Method, pattern, allocation and layers in words, what is usual left out."""
    usual = usual_allocation(about)
    parts = [
        short(about["method"]),
        *([about["pattern"]] if about["pattern"] != "unstructured" else []),
    ]
    parts += [allocation] if (allocation := about.get("allocation", usual)) != usual else []
    return " ".join(
        [*parts, *([f"layers {short(about['layers'])}"] if about.get("layers") else [])]
    )


def usual_allocation(about: About) -> str:
    """The allocation that a study has unless asked for another; uniform for a method that only
    another version knows.
    """
    method = METHODS.get(about["method"].partition(":")[0])
    return "uniform" if method is None else method.usual_allocation(about["pattern"])


def attack_title(name: str) -> str:
    """An attack as people call it; its own name where a newer version made the study."""
    return ATTACKS.get(name, short(name))


def data_title(name: str) -> str:
    """A data set as people call it."""
    return short(DATA_TITLES.get(name, name))


def _attacked(about: About) -> str:
    if about["attack"] == "none":
        return "no attack"
    return f"{attack_title(about['attack'])}, {about['counts']['attacked']} attacked"


def _models(studies: Sequence[Listed]) -> list[str]:
    return _placed(
        [short(study.about["model"]) for study in studies],
        [study.about["spec"].get("model") for study in studies],
    )


def _data(studies: Sequence[Listed]) -> list[str]:
    return _placed(
        [data_title(study.about["data"]) for study in studies],
        [study.about["spec"].get("data") for study in studies],
    )


def _placed(names: Sequence[str], places: Sequence[str | None]) -> list[str]:
    """Names; where one stands for several places, the end of each place's path that is no other's."""
    found = []
    for name, place in zip(names, places, strict=True):
        others = {
            other
            for same, other in zip(names, places, strict=True)
            if same == name and other and other != place
        }
        found.append(name if place is None or not others else short(_end(place, others)))
    return found


def _end(place: str, others: set[str]) -> str:
    parts, rest = _split(place), [_split(other) for other in others]
    for count in range(1, len(parts) + 1):
        if not any(other[-count:] == parts[-count:] for other in rest):
            return "/".join(parts[-count:])
    return place


def _split(place: str) -> list[str]:
    return [part for part in re.split(r"[/\\\\]", place) if part]


def _parts(studies: Sequence[Listed]) -> list[tuple[str, list[str]]]:
    """(whether it is of the whole name or "more", one value a study), what tells most first."""
    abouts = [study.about for study in studies]
    named: list[tuple[str, list[str]]] = [
        ("whole", [method_title(about) for about in abouts]),
        ("whole", _data(studies)),
        ("whole", _models(studies)),
        (
            "whole",
            [
                "no attack" if about["attack"] == "none" else attack_title(about["attack"])
                for about in abouts
            ],
        ),
    ]
    more = [[f"seed {about['seed']}" for about in abouts]]
    more += [
        [f"{about['counts'][name]} {words}" for about in abouts] for name, words in COUNTS.items()
    ]
    settings = sorted({name for about in abouts for name in about["spec"]} - NAMED)
    more += [[_setting(name, about["spec"].get(name)) for about in abouts] for name in settings]
    return named + [("more", values) for values in more]


def _setting(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    return (
        f"no {words}"
        if value in (None, "", False)
        else words
        if value is True
        else f"{words} {short(str(value))}"
    )


def _finer(names: Sequence[str], values: Sequence[str]) -> bool:
    """Whether values tell apart what names do not."""
    return len(set(zip(names, values, strict=True))) > len(set(names))


def _apart(names: list[str], studies: Sequence[Listed], parts: Sequence[list[str]]) -> list[str]:
    """Names with the parts that differ among those of the same name, and nothing added to the
    others.
    """
    for values in parts:
        kinds = {
            name: {value for other, value in zip(names, values, strict=True) if other == name}
            for name in set(names)
        }
        names = [
            f"{name}, {value}" if len(kinds[name]) > 1 else name
            for name, value in zip(names, values, strict=True)
        ]
    return _with_keys(names, studies)


def _with_keys(names: Sequence[str], studies: Sequence[Listed]) -> list[str]:
    """Names, those that are the same with as many digits of the studies' keys as tell them apart."""
    groups: dict[str, set[str]] = {}
    for name, study in zip(names, studies, strict=True):
        groups.setdefault(name, set()).add(study.key)
    return [
        name if len(groups[name]) == 1 else f"{name} · {study.key[: _digits(groups[name])]}"
        for name, study in zip(names, studies, strict=True)
    ]


def _digits(keys: set[str]) -> int:
    longest = max(map(len, keys))
    return next(
        (
            count
            for count in range(DIGITS, longest)
            if len({key[:count] for key in keys}) == len(keys)
        ),
        longest,
    )

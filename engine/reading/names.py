"""Names of studies in lists: no two are the same, and a name says what differs. Light to import."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from prunescope.engine.formatting import pluralize, short
from prunescope.engine.reading.titles import (
    About,
    attack_title,
    data_title,
    method_title,
    model_title,
)
from prunescope.engine.records import StudySpec

COUNTS = {
    "evaluation": "evaluated",
    "attacked": "attacked",
    "calibration": "calibration texts",
    "held_out": "held out",
}
ASKED_COUNTS = {
    "eval_examples": "evaluated",
    "attack_examples": "attacked",
    "calibration": "calibration texts",
    "held_out": "held out",
}
# settings that a name states by itself or by a count
NAMED = {
    "model",
    "data",
    "method",
    "pattern",
    "allocation",
    "layers",
    "recover",
    "attack",
    "seed",
    "calibration",
    "held_out",
    "eval_examples",
    "attack_examples",
}
SHORTEST_KEY = 6  # digits of a key, where no setting tells two studies apart
LISTED_LEVELS = 4  # sparsities that a title lists one by one


# What tells studies of one method apart, by the word in their identity: "adaptive" meant the first
# solver until December 2026.
SOLVER_WORDS = {"joint": "first joint solver", "joint-relaxed": "new joint solver"}


class Listed(Protocol):
    """A study, or its row in a list."""

    @property
    def key(self) -> str:
        """The study's key."""
        ...

    @property
    def about(self) -> dict[str, Any]:
        """What the study's record says of model, data, method, attack and counts."""
        ...

    @property
    def solver(self) -> str | None:
        """The method's solver by its word in the study's identity."""
        ...


@dataclass(frozen=True, slots=True)
class StudyName:
    """What a study is called beside others."""

    model: str
    data: str
    more: str  # what tells it apart from others of the same words; mostly empty
    text: str  # the whole name


def full_name(study: Listed) -> str:
    """A study in words, by itself."""
    return full_names([study])[0]


def full_names(studies: Sequence[Listed]) -> list[str]:
    """Each study in words, all of them distinct: "MiniLM-L6 on SST-2, Adaptive, DeepWordBug, 200
    attacked".
    """
    return [name.text for name in study_names(studies)]


def study_names(studies: Sequence[Listed]) -> list[StudyName]:
    """`full_names` with their parts.

    Models and data of one name in several folders are called by as much of their paths as tells
    them apart. Where the words are the same, the settings that differ are added; the first digits
    of the key only where no setting differs.
    """
    models, data = _models(studies), _data(studies)
    names = [
        f"{model} on {examples}, {method_title(study.about)}, {_attacked(study.about)}"
        for model, examples, study in zip(models, data, studies, strict=True)
    ]
    texts = _distinct(names, studies, _settings(studies))
    return [
        StudyName(model, examples, text.removeprefix(name).lstrip(", ·"), text)
        for model, examples, name, text in zip(models, data, names, texts, strict=True)
    ]


def short_names(studies: Sequence[Listed]) -> list[str]:
    """The shortest distinct names of the studies; the method alone where nothing differs."""
    names = ["" for _ in studies]
    for values in [*_words(studies), *_settings(studies)]:
        if _separates(names, values):
            names = [", ".join(filter(None, pair)) for pair in zip(names, values, strict=True)]
    if not any(names):
        names = [method_title(study.about) for study in studies]
    return _with_keys(names, studies)


def study_title(about: About) -> str:
    """A study in words, regardless of other studies: "MiniLM-L6 on SST-2, Adaptive"."""
    return f"{short(about['model'])} on {data_title(about['data'])}, {method_title(about)}"


def spec_title(spec: StudySpec) -> str:
    """A study to be run, in words, with every setting that differs from its default."""
    usual = StudySpec()
    unusual = [field.name for field in fields(spec) if _differs(spec, usual, field.name)]
    about = {
        "method": spec.method,
        "pattern": spec.pattern,
        "layers": spec.layers,
        "recover": spec.recover,
    }
    if spec.allocation != "auto":
        about["allocation"] = spec.allocation
    data = spec.data if spec.data == "embedded" else model_title(spec.data)
    parts = [
        f"{model_title(spec.model)} on {data_title(data)}",
        method_title(about),
        attack_title(spec.attack),
        *(
            f"{getattr(spec, name)} {words}"
            for name, words in ASKED_COUNTS.items()
            if name in unusual
        ),
        *(_setting(name, getattr(spec, name)) for name in unusual if name not in NAMED - {"seed"}),
        f"at {_levels(spec.levels)}",
    ]
    return ", ".join(parts)


def _differs(spec: StudySpec, usual: StudySpec, name: str) -> bool:
    return name != "levels" and getattr(spec, name) != getattr(usual, name)


def _levels(levels: Sequence[float]) -> str:
    """`0, 50%`, or the ends and the number of many."""
    if len(levels) <= LISTED_LEVELS:
        return f"{', '.join(f'{100 * level:g}' for level in levels)}%"
    return f"{pluralize(len(levels), 'level')} from {100 * min(levels):g} to {100 * max(levels):g}%"


def _attacked(about: About) -> str:
    title = attack_title(about["attack"])
    return (
        title if about["attack"] == "none" else f"{title}, {about['counts']['attacked']} attacked"
    )


def _models(studies: Sequence[Listed]) -> list[str]:
    return _with_folders(
        [short(study.about["model"]) for study in studies],
        [study.about["spec"].get("model") for study in studies],
    )


def _data(studies: Sequence[Listed]) -> list[str]:
    return _with_folders(
        [data_title(study.about["data"]) for study in studies],
        [study.about["spec"].get("data") for study in studies],
    )


def _with_folders(names: Sequence[str], paths: Sequence[str | None]) -> list[str]:
    """Names; where one stands for several paths, the end of each path that is no other's."""
    distinct = []
    for name, path in zip(names, paths, strict=True):
        others = {
            other
            for same, other in zip(names, paths, strict=True)
            if same == name and other and other != path
        }
        distinct.append(name if path is None or not others else short(_end(path, others)))
    return distinct


def _end(path: str, others: set[str]) -> str:
    """The shortest end of a path that none of the others has."""
    parts, other_parts = _split(path), [_split(other) for other in others]
    for count in range(1, len(parts) + 1):
        if not any(other[-count:] == parts[-count:] for other in other_parts):
            return "/".join(parts[-count:])
    return path


def _split(path: str) -> list[str]:
    return [part for part in re.split(r"[/\\\\]", path) if part]


def _words(studies: Sequence[Listed]) -> list[list[str]]:
    """What a full name is made of, one value a study: what tells most comes first."""
    abouts = [study.about for study in studies]
    return [
        [method_title(about) for about in abouts],
        _data(studies),
        _models(studies),
        [attack_title(about["attack"]) for about in abouts],
    ]


def _settings(studies: Sequence[Listed]) -> list[list[str]]:
    """What a full name leaves out as long as it differs in no study, one value a study."""
    abouts = [study.about for study in studies]
    settings = sorted({name for about in abouts for name in about["spec"]} - NAMED)
    return [
        [SOLVER_WORDS.get(study.solver or "", "") for study in studies],
        [f"seed {about['seed']}" for about in abouts],
        *(
            [f"{about['counts'][name]} {words}" for about in abouts]
            for name, words in COUNTS.items()
        ),
        *([_setting(name, about["spec"].get(name)) for about in abouts] for name in settings),
    ]


def _setting(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if value in (None, "", False):
        return f"no {words}"
    return words if value is True else f"{words} {short(str(value))}"


def _separates(names: Sequence[str], values: Sequence[str]) -> bool:
    """Whether values tell apart what names do not."""
    return len(set(zip(names, values, strict=True))) > len(set(names))


def _distinct(
    names: list[str], studies: Sequence[Listed], settings: Sequence[list[str]]
) -> list[str]:
    """Names with the settings that differ among those of the same name; nothing is added to the
    others.
    """
    for values in settings:
        variants = {
            name: {value for other, value in zip(names, values, strict=True) if other == name}
            for name in set(names)
        }
        names = [
            f"{name}, {value}" if len(variants[name]) > 1 and value else name
            for name, value in zip(names, values, strict=True)
        ]
    return _with_keys(names, studies)


def _with_keys(names: Sequence[str], studies: Sequence[Listed]) -> list[str]:
    """Names; those that are the same get as many digits of their keys as tell them apart."""
    keys_of: dict[str, set[str]] = {}
    for name, study in zip(names, studies, strict=True):
        keys_of.setdefault(name, set()).add(study.key)
    return [
        name if len(keys_of[name]) == 1 else f"{name} · {study.key[: _digits(keys_of[name])]}"
        for name, study in zip(names, studies, strict=True)
    ]


def _digits(keys: set[str]) -> int:
    """How many digits tell the keys apart."""
    longest = max(map(len, keys))
    for count in range(SHORTEST_KEY, longest):
        if len({key[:count] for key in keys}) == len(keys):
            return count
    return longest

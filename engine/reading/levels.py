"""Names of victims: a level of a study as a short text for addresses and pickers."""

import re
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from prunescope.engine import Study, short_names
from prunescope.engine.reading.series import own_sparsity

MOST = 3  # sparse victims beside the dense one
_TYPED = re.compile(r"\s*(\d{1,2}(?:\.\d+)?)\s*%?\s*")


def level_id(study: Study, sparsity: float) -> str:
    """`key@sparsity`, short enough for an address."""
    return f"{study.key[:12]}@{sparsity:g}"


def parse(text: str, studies: Iterable[Study], own: Study) -> tuple[Study, float] | None:
    """The level that an id names, or that a typed percentage names in the study `own`; None for
    anything else.
    """
    if typed := _TYPED.fullmatch(text):
        sparsity = round(float(typed[1]) / 100, 6)
        return (own, sparsity) if _possible(own, sparsity) else None
    key, at, number = text.partition("@")
    try:
        sparsity = float(number) if at else -1.0
    except ValueError:
        return None
    study = next((other for other in studies if len(key) >= 6 and other.key.startswith(key)), None)
    return (study, sparsity) if study is not None and _possible(study, sparsity) else None


def _possible(study: Study, sparsity: float) -> bool:
    own = own_sparsity(study)
    return sparsity == 0 or (0 < sparsity < 1 and (own is None or abs(own - sparsity) < 1e-9))


def same_classes(studies: Sequence[Study], own: Study) -> list[Study]:
    """The studies whose victims have the same classes, the study itself first."""
    names = own.about["label_names"]
    return [
        own,
        *(
            study
            for study in studies
            if study.key != own.key and study.about["label_names"] == names
        ),
    ]


def level_names(levels: Sequence[tuple[Study, float]], own: Study) -> list[str]:
    """Levels in words: their sparsity, and for another study than `own` its short name."""
    studies = list({study.key: study for study in [own, *(study for study, _ in levels)]}.values())
    called = dict(zip((study.key for study in studies), short_names(studies), strict=True))
    shares = [f"{100 * sparsity:g}%" if sparsity else "dense" for _, sparsity in levels]
    return [
        share if study.key == own.key else f"{called[study.key]}, {share}"
        for share, (study, _) in zip(shares, levels, strict=True)
    ]


def victim_names(chosen: Sequence[tuple[Study, float]], own: Study) -> list[str]:
    """Names of victims, the first of them the dense one."""
    return ["Dense", *level_names(chosen[1:], own)]


def victim_requests(chosen: Sequence[tuple[Study, float]], own: Study) -> list[dict[str, Any]]:
    """The victims as a request names them."""
    return [
        {"name": name, "study": study.key, "sparsity": sparsity}
        for name, (study, sparsity) in zip(victim_names(chosen, own), chosen, strict=True)
    ]


def default_level(study: Study) -> float:
    """The sparsity that is attacked unless another is picked."""
    own = own_sparsity(study)
    return 0.5 if own is None else own


def prune_seconds(study: Study) -> float | None:
    """How long a level of a study took to prune when it was measured, on that machine."""
    times = [
        level.seconds["prune"] + level.seconds.get("recover", 0.0)
        for level in study.levels
        if level.sparsity and level.seconds.get("prune")
    ]
    return median(times) if times else None

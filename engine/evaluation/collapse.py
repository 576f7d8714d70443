"""The one rule for a collapsed model: it does hardly better than one answer to everything."""

from collections import Counter
from collections.abc import Sequence

from prunescope.engine.evaluation.statistics import Statistic
from prunescope.engine.records import LevelResult, Rate, Study

MARGIN = 0.05  # above chance


def is_collapsed(acc: Rate | Statistic, classes: int = 2, *, majority: float | None = None) -> bool:
    """Whether a model does hardly better than one answer to everything.

    No attack changes such an answer, so Aua and Asr of a collapsed model mean nothing. Chance is
    `majority`, the share of the most common label, where that is known, and 1 / classes elsewhere.
    """
    chance = 1 / max(2, classes) if majority is None else majority
    return acc.value is not None and acc.value <= chance + MARGIN


def has_collapsed(study: Study, level: LevelResult) -> bool:
    """Whether the model of a level has collapsed; its Aua and Asr mean nothing.

    It has where its accuracy, averaged over the classes, is within five points of chance, so that a
    common class does not hide it. Levels that do not know their classes go by plain accuracy.
    """
    if level.above_chance is None:
        return is_collapsed(level.acc, len(study.about["label_names"]))
    return level.above_chance <= MARGIN


def collapse_reason(study: Study, level: LevelResult) -> str:
    """Why a level counts as collapsed: "50.9% is near chance"."""
    if is_collapsed(level.acc, len(study.about["label_names"])):
        return f"{100 * (level.acc.value or 0.0):.1f}% is near chance"
    return "it gives one answer to nearly everything"


def majority_share(labels: Sequence[int]) -> float:
    """The share of the most common label: the accuracy of always naming it."""
    return max(Counter(labels).values()) / len(labels)

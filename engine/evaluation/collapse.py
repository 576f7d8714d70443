"""The one rule for a collapsed model: its accuracy is within five points of chance."""

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
    """Whether the model of a level has collapsed; its Aua and Asr mean nothing."""
    return is_collapsed(level.acc, len(study.about["label_names"]))


def majority_share(labels: Sequence[int]) -> float:
    """The share of the most common label: the accuracy of always naming it."""
    return max(Counter(labels).values()) / len(labels)

"""One quantity of a study at one sparsity: as it was measured, or interpolated between the measured
levels beside it.
"""

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from prunescope.engine.records import LevelResult, Rate, Study
from prunescope.engine.studies.timings import Timed

RATES = ("acc", "aua", "asr")
CLOSE = 1e-9  # sparsities nearer than this are the same
SLIDER_END = 95  # per cent; a slider goes further only to reach a measured level


@dataclass(frozen=True, slots=True)
class Value:
    """A value at the cursor; an interpolated one has no interval and says between which sparsities
    it lies.
    """

    value: float | None
    rate: Rate | None = None
    between: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The measured levels on both sides of a sparsity: twice the same where the sparsity was
    measured or lies outside.
    """

    sparsity: float
    low: LevelResult
    high: LevelResult

    @property
    def measured(self) -> bool:
        """Whether exactly this sparsity was measured."""
        return self.low is self.high and abs(self.low.sparsity - self.sparsity) < CLOSE

    @property
    def between(self) -> tuple[float, float] | None:
        """The two sparsities, where nothing was measured at this one."""
        return None if self.measured else (self.low.sparsity, self.high.sparsity)

    @property
    def share(self) -> float:
        """How far the sparsity lies from the lower level to the upper one, in [0, 1]."""
        width = self.high.sparsity - self.low.sparsity
        return 0.0 if width == 0 else (self.sparsity - self.low.sparsity) / width

    def interpolate(self, low: float, high: float) -> float:
        """The value on the line between the two levels' values."""
        width = self.high.sparsity - self.low.sparsity
        if width == 0:
            return low
        return low + (high - low) * (self.sparsity - self.low.sparsity) / width

    def value(self, of: Callable[[LevelResult], float]) -> Value:
        """A quantity that every level has."""
        return Value(self.interpolate(of(self.low), of(self.high)), None, self.between)


def neighbours(study: Study, sparsity: float) -> Neighbours:
    """The measured levels on both sides of a sparsity."""
    measured = [level.sparsity for level in study.levels]
    right = bisect.bisect_left(measured, sparsity - CLOSE)
    if right < len(measured) and abs(measured[right] - sparsity) < CLOSE:
        return Neighbours(sparsity, study.levels[right], study.levels[right])
    below, above = max(right - 1, 0), min(right, len(measured) - 1)
    return Neighbours(sparsity, study.levels[below], study.levels[above])


def rate_at(study: Study, sparsity: float, name: str) -> Value:
    """Acc, Aua or Asr at the cursor, measured or interpolated."""
    beside = neighbours(study, sparsity)
    low, high = getattr(beside.low, name), getattr(beside.high, name)
    if low is None or high is None or low.value is None or high.value is None:
        return Value(None)
    if beside.measured:
        return Value(low.value, low)
    return Value(beside.interpolate(low.value, high.value), None, beside.between)


def bytes_at(study: Study, sparsity: float) -> Value:
    """Size of the packed model at the cursor, in bytes."""
    return neighbours(study, sparsity).value(lambda level: model_bytes(study, level))


def error_at(study: Study, sparsity: float) -> Value:
    """The error of the last [CLS] at the cursor."""
    return neighbours(study, sparsity).value(lambda level: level.cls_error)


def layer_error_at(study: Study, sparsity: float) -> Value:
    """The median layer error at the cursor."""
    return neighbours(study, sparsity).value(median_error)


def cell_error_at(study: Study, cell: str, sparsity: float) -> Value:
    """The error of one layer at the cursor."""
    return neighbours(study, sparsity).value(lambda level: level.layer_errors[cell])


def median_error(level: LevelResult) -> float:
    """The median of a level's layer errors."""
    return median(level.layer_errors.values())


def model_bytes(study: Study, level: LevelResult) -> int:
    """Bytes of the whole model with its prunable weights packed as a bitmap and the remaining
    weights; stored dense where that is smaller.
    """
    rest: int = 4 * (study.about["parameters"] - study.about["prunable"])
    return rest + min(level.packed_bytes, level.dense_bytes)


def latencies(study: Study) -> tuple[Timed, ...]:
    """What was timed on this machine, ascending; whoever opens a study puts it there."""
    return tuple(study.about.get("timed", ()))


def latency_at(study: Study, sparsity: float) -> Timed | None:
    """What was timed at exactly this sparsity."""
    for timed in latencies(study):
        if abs(timed.sparsity - sparsity) < CLOSE:
            return timed
    return None


def stops(studies: Sequence[Study]) -> list[float]:
    """Where the slider stops, in per cent: every whole one up to 95, and every measured level."""
    measured = {round(100 * level.sparsity, 4) for study in studies for level in study.levels}
    whole = range(max(SLIDER_END + 1, 1 + int(max(measured, default=0))))
    return sorted({*map(float, whole), *measured})


def own_sparsity(study: Study) -> float | None:
    """The one sparsity that an n:m study has; None where any sparsity can be pruned."""
    n, colon, m = study.about["pattern"].partition(":")
    return 1 - int(n) / int(m) if colon else None

"""The safe sparsity of a study, and how certain it is, by a paired bootstrap over the examples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.engine.attacks.metrics import WITHSTOOD
from prunescope.engine.errors import SettingError
from prunescope.engine.evaluation.collapse import is_collapsed
from prunescope.engine.evaluation.statistics import RESAMPLES as RESAMPLES
from prunescope.engine.evaluation.statistics import Resampler
from prunescope.engine.records import LevelResult, Study

# (levels, examples), 1 where the example is right, or right and not broken
Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SafeSparsity:
    """The highest measured sparsity up to which Acc and Aua stay within the tolerance, with the
    spread over resampled examples.
    """

    sparsity: float
    low: float  # 2.5 % and 97.5 % quantiles over resamples, measured levels as well
    high: float
    support: float  # share of resamples in which `sparsity` is safe, in [0, 1]
    points: float  # the tolerance, in points of dense
    checked: tuple[str, ...]  # "acc", and "aua" where it was measured


def last_safe(
    study: Study, points: float, resamples: int = RESAMPLES, seed: int = 0
) -> SafeSparsity | None:
    """The highest measured sparsity s such that Acc and Aua of all levels up to s are at most
    `points` below dense's.

    Each resample draws examples with replacement, the same ones for every level. Attacked examples
    and the others are drawn separately, so that a resample has both an Acc and an Aua. None where
    the dense model was not measured. Raises SettingError for a tolerance outside [0, 100].
    """
    if not 0 <= points <= 100:
        raise SettingError(f"The tolerance {points} is outside 0..100 points.")
    if not study.levels or study.levels[0].sparsity != 0:
        return None
    right, withstood, attacked = _rows(study.levels)
    index = _safe(
        _drops(right.mean(axis=1)[None], withstood.mean(axis=1)[None] if len(attacked) else None),
        points,
    )[0]
    resampled = _safe(_resampled(right, withstood, attacked, resamples, seed), points)
    levels = np.array([level.sparsity for level in study.levels])
    low, high = np.quantile(resampled, (0.025, 0.975), method="inverted_cdf").astype(int)
    return SafeSparsity(
        float(levels[index]),
        float(levels[low]),
        float(levels[high]),
        float((resampled >= index).mean()),
        points,
        ("acc", "aua") if len(attacked) else ("acc",),
    )


def doubts(study: Study, points: float) -> tuple[str, ...]:
    """Reasons, one a sentence, to distrust the safe sparsity of a study; empty for none."""
    if not study.levels or study.levels[0].sparsity != 0:
        return ()
    dense, sentences = study.levels[0], list[str]()
    if is_collapsed(dense.acc, len(study.about["label_names"])):
        sentences.append(
            "The dense model hardly does better than one answer to everything, so there is nothing "
            "to keep."
        )
    if dense.aua is not None and dense.aua.value is not None:
        if 100 * dense.aua.value <= points:
            sentences.append(
                f"The dense model itself holds {100 * dense.aua.value:.3g} % under attack, no more "
                "than the tolerance: no sparsity can lose too much of that."
            )
        if 100 / dense.aua.n > points:
            sentences.append(
                f"One of the {dense.aua.n} attacked examples is {100 / dense.aua.n:.1f} points, "
                "more than the tolerance: a single one decides."
            )
    return tuple(sentences)


def _rows(levels: tuple[LevelResult, ...]) -> tuple[Rows, Rows, NDArray[np.int64]]:
    """(correct, withstood, attacked examples): the outcome of every example at every level."""
    right = np.zeros((len(levels), levels[0].acc.n))
    attacked = sorted({record.example for record in levels[0].attacks})
    column_of = {example: column for column, example in enumerate(attacked)}
    withstood = np.zeros((len(levels), len(attacked)))
    for row, level in enumerate(levels):
        right[row, list(level.correct)] = 1
        for record in level.attacks:
            if record.outcome in WITHSTOOD and record.example in column_of:
                withstood[row, column_of[record.example]] = 1
    return right, withstood, np.array(attacked, dtype=np.int64)


def _resampled(
    right: Rows, withstood: Rows, attacked: NDArray[np.int64], resamples: int, seed: int
) -> Rows:
    """(resamples, levels): the larger drop of Acc and Aua."""
    resampler = Resampler(resamples, seed)
    others = np.setdiff1d(np.arange(right.shape[1]), attacked)
    hits = np.zeros((resamples, len(right)))
    aua = None
    for rows in (attacked, others):
        if len(rows):
            shares = np.full(len(rows), 1 / len(rows))
            weights = resampler.counts(len(rows), shares).astype(float)
            hits += weights @ right[:, rows].T
            if rows is attacked:
                aua = weights @ withstood.T / len(rows)
    return _drops(hits / right.shape[1], aua)


def _drops(acc: Rows, aua: Rows | None) -> Rows:
    """(resamples, levels): points by which the worse of Acc and Aua lies below the first level."""
    drops: Rows = 100 * (acc[:, :1] - acc)
    return drops if aua is None else np.maximum(drops, 100 * (aua[:, :1] - aua))


def _safe(drops: Rows, points: float) -> NDArray[np.int64]:
    """(resamples,): the last level before the first that falls too far."""
    broken = drops > points + 1e-9
    first: NDArray[np.int64] = (
        np.where(broken.any(axis=1), broken.argmax(axis=1), drops.shape[1]) - 1
    )
    return first

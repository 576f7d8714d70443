"""The safe sparsity of a study, and how certain it is: paired tests level by level, and a bootstrap
over the examples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.engine.attacks.metrics import WITHSTOOD
from prunescope.engine.errors import SettingError
from prunescope.engine.evaluation.collapse import has_collapsed
from prunescope.engine.evaluation.margins import beyond_margin, fewest_examples, within_margin
from prunescope.engine.evaluation.statistics import RESAMPLES as RESAMPLES
from prunescope.engine.evaluation.statistics import Resampler
from prunescope.engine.records import LevelResult, Study

Table = NDArray[np.float64]
ALPHA = 0.05  # of a one-sided limit: it holds with 95% confidence


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """Every example at every level: (levels, examples), 1 for what holds."""

    right: Table
    withstood: Table  # right and not broken, of the attacked examples
    attacked: NDArray[np.int64]  # which examples those are


@dataclass(frozen=True, slots=True)
class Loss:
    """How many examples dense gets right and a level does not, and the reverse."""

    measure: str  # "acc", or "aua": right and not broken
    n: int
    lost: int
    gained: int

    @property
    def share(self) -> float:
        """The net loss, in [−1, 1]."""
        return (self.lost - self.gained) / self.n


@dataclass(frozen=True, slots=True)
class SafeSparsity:
    """The highest measured sparsity up to which Acc and Aua stay within the tolerance: the best
    guess, and one-sided limits of it.

    Up to `sure` it is safe with 95% confidence, up to `sparsity` by the measured examples, and up
    to `possible` it is not ruled out; beyond, it is unsafe with 95% confidence.
    sure ≤ sparsity ≤ possible.
    """

    sparsity: float  # the best guess: by the examples as they were measured
    sure: float  # safe up to here with 95% confidence
    possible: float  # unsafe beyond here with 95% confidence; the last level where none is
    points: float  # the tolerance, in points of dense
    checked: tuple[str, ...]  # "acc", and "aua" where it was measured


@dataclass(frozen=True, slots=True)
class ResampledLimit:
    """How the best guess varies when the examples are resampled."""

    low: float  # 2.5% and 97.5% quantiles over resamples, measured levels as well
    high: float
    support: float  # share of resamples in which the best guess is safe, in [0, 1]


def last_safe(study: Study, points: float) -> SafeSparsity | None:
    """The highest measured sparsity s such that Acc and Aua of all levels up to s are at most
    `points` below dense's.

    `sure` climbs level by level as long as both Acc and Aua pass `within_margin` at 5%. To pass the
    first unsafe level is the one way to be wrong, so the confidence is that of one test. `possible`
    ends before the first level that is `beyond_margin` at 5%, divided by the number of tests. None
    where the dense model was not measured, or nothing else. Raises SettingError for a tolerance
    outside [0, 100].

    A collapsed model is never safe, however little it loses where one class is common. Where the
    dense model has collapsed itself, `doubts` says so.
    """
    if not _can_answer(study, points):
        return None
    rows = _rows(study.levels)
    levels = [level.sparsity for level in study.levels]
    sure, possible = _limits(_losses(rows), points)
    checked = ("acc", "aua") if rows.attacked.size else ("acc",)
    sound = _last_sound(study)
    last = [levels[min(level, sound)] for level in (_best(rows, points), sure, possible)]
    return SafeSparsity(last[0], last[1], last[2], points, checked)


def safe_spread(
    study: Study, points: float, resamples: int = RESAMPLES, seed: int = 0
) -> ResampledLimit | None:
    """The spread of `last_safe`'s best guess over resamples of the examples; None and errors as
    there.

    Each resample draws examples with replacement, the same ones for every level. Attacked examples
    and the others are drawn separately, so that a resample has both an Acc and an Aua.
    """
    if not _can_answer(study, points):
        return None
    rows = _rows(study.levels)
    levels = [level.sparsity for level in study.levels]
    sound = _last_sound(study)
    resampled = np.minimum(_safe(_resampled(rows, resamples, seed), points), sound)
    low, high = np.quantile(resampled, (0.025, 0.975), method="inverted_cdf").astype(int)
    support = float((resampled >= min(_best(rows, points), sound)).mean())
    return ResampledLimit(levels[low], levels[high], support)


def _last_sound(study: Study) -> int:
    """The last level before the first that has collapsed, unless the dense one has."""
    collapsed = [has_collapsed(study, level) for level in study.levels]
    return (
        collapsed.index(True) - 1
        if True in collapsed[1:] and not collapsed[0]
        else len(collapsed) - 1
    )


def _can_answer(study: Study, points: float) -> bool:
    if not 0 <= points <= 100:
        raise SettingError(f"The tolerance {points} is outside 0..100 points.")
    return len(study.levels) > 1 and study.levels[0].sparsity == 0


def losses(study: Study) -> tuple[tuple[Loss, ...], ...]:
    """For every level, its losses against the first: of Acc, and of Aua where it was attacked."""
    return _losses(_rows(study.levels))


def _losses(rows: _Outcomes) -> tuple[tuple[Loss, ...], ...]:
    outcomes = {"acc": rows.right, **({"aua": rows.withstood} if rows.attacked.size else {})}
    return tuple(
        tuple(
            Loss(
                name,
                table.shape[1],
                int((table[0] > table[index]).sum()),
                int((table[0] < table[index]).sum()),
            )
            for name, table in outcomes.items()
        )
        for index in range(len(rows.right))
    )


def _limits(measured: tuple[tuple[Loss, ...], ...], points: float) -> tuple[int, int]:
    """The levels (sure, possible), of the losses of all levels."""
    margin, pruned = points / 100, measured[1:]
    tests = max(1, sum(map(len, pruned)))

    def passes(loss: Loss) -> bool:
        return within_margin(loss.lost, loss.gained, loss.n, margin) <= ALPHA

    def fails(loss: Loss) -> bool:
        return beyond_margin(loss.lost, loss.gained, loss.n, margin) <= ALPHA / tests

    sure = next(
        (index for index, level in enumerate(pruned) if not all(map(passes, level))), len(pruned)
    )
    possible = next(
        (index for index, level in enumerate(pruned) if any(map(fails, level))), len(pruned)
    )
    return sure, possible


def doubts(study: Study, points: float) -> tuple[str, ...]:
    """Reasons, one a sentence, to distrust the safe sparsity of a study; empty for none."""
    if not study.levels or study.levels[0].sparsity != 0:
        return ()
    dense, sentences = study.levels[0], list[str]()
    if has_collapsed(study, dense):
        sentences.append(
            "The dense model hardly does better than one answer to everything, so there is nothing "
            "to keep."
        )
    if dense.aua is not None and dense.aua.value is not None:
        if 100 * dense.aua.value <= points:
            sentences.append(
                f"The dense model itself withstands {100 * dense.aua.value:.3g}% of the attacks, "
                "no more than the tolerance: no sparsity can lose too much of that."
            )
        if 100 / dense.aua.n > points:
            sentences.append(
                f"One of the {dense.aua.n} attacked examples is {100 / dense.aua.n:.1f} points, "
                "more than the tolerance: a single one decides."
            )
        elif 0 < points < 100 and dense.aua.n < (needed := fewest_examples(points / 100)):
            sentences.append(
                f"{dense.aua.n} attacked examples are too few to confirm a tolerance of "
                f"{points:g} {'point' if points == 1 else 'points'}; it takes {needed} where the "
                "models agree on every one."
            )
    return tuple(sentences)


def _rows(levels: tuple[LevelResult, ...]) -> _Outcomes:
    """The outcome of every example at every level."""
    right = np.zeros((len(levels), levels[0].acc.n))
    attacked = sorted({record.example for record in levels[0].attacks})
    column_of = {example: column for column, example in enumerate(attacked)}
    withstood = np.zeros((len(levels), len(attacked)))
    for row, level in enumerate(levels):
        right[row, list(level.correct)] = 1
        for record in level.attacks:
            if record.outcome in WITHSTOOD and record.example in column_of:
                withstood[row, column_of[record.example]] = 1
    return _Outcomes(right, withstood, np.array(attacked, dtype=np.int64))


def _best(rows: _Outcomes, points: float) -> int:
    """The last safe level by the examples as they were measured."""
    aua = rows.withstood.mean(axis=1)[None] if rows.attacked.size else None
    return int(_safe(_drops(rows.right.mean(axis=1)[None], aua), points)[0])


def _resampled(rows: _Outcomes, resamples: int, seed: int) -> Table:
    """(resamples, levels): the larger drop of Acc and Aua."""
    resampler = Resampler(resamples, seed)
    others = np.setdiff1d(np.arange(rows.right.shape[1]), rows.attacked)
    hits = np.zeros((resamples, len(rows.right)))
    aua = None
    for drawn in (rows.attacked, others):
        if len(drawn):
            shares = np.full(len(drawn), 1 / len(drawn))
            weights = resampler.counts(len(drawn), shares).astype(float)
            hits += weights @ rows.right[:, drawn].T
            if drawn is rows.attacked:
                aua = weights @ rows.withstood.T / len(drawn)
    return _drops(hits / rows.right.shape[1], aua)


def _drops(acc: Table, aua: Table | None) -> Table:
    """(resamples, levels): points by which the worse of Acc and Aua lies below the first level."""
    drops: Table = 100 * (acc[:, :1] - acc)
    return drops if aua is None else np.maximum(drops, 100 * (aua[:, :1] - aua))


def _safe(drops: Table, points: float) -> NDArray[np.int64]:
    """(resamples,): the last level before the first that falls too far."""
    broken = drops > points + 1e-9
    first: NDArray[np.int64] = (
        np.where(broken.any(axis=1), broken.argmax(axis=1), drops.shape[1]) - 1
    )
    return first

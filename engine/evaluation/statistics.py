"""The statistics of every measurement: intervals, paired tests, and the bootstrap behind them.

A share of counted examples is a `Rate` (`prunescope.engine.records`) with Wilson's interval; every
other figure is a `Statistic`; repeated times are a `Spread`. Light to import: NumPy alone.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.engine.records import Z95, Rate

RESAMPLES = 2000
TAILS = (0.025, 0.975)  # the quantiles that bound a 95% interval
BLOCK = 1_000_000  # numbers drawn at once; bounds the memory of a bootstrap


@dataclass(frozen=True, slots=True)
class Statistic:
    """A figure of n examples with its 95% interval.

    `value` is None where there was nothing to measure; the bounds are None where there are too few
    examples for an interval.
    """

    value: float | None
    n: int
    low: float | None
    high: float | None

    @classmethod
    def of_rate(cls, rate: Rate) -> "Statistic":
        """A share with its Wilson interval."""
        return cls(rate.value, rate.n, rate.low, rate.high)

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high). Raises ValueError where there is no interval."""
        if self.low is None or self.high is None:
            raise ValueError(f"{self.n} examples are too few for an interval")
        return self.low, self.high


UNKNOWN_DIFFERENCE = Statistic(None, 0, -1.0, 1.0)  # of two shares, where nothing was measured


@dataclass(frozen=True, slots=True)
class Spread:
    """Median of repeated measurements with their 5% and 95% quantiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: ArrayLike) -> "Spread":
        """The quantiles of at least one value, interpolated linearly."""
        low, median, high = np.quantile(np.asarray(values), (0.05, 0.5, 0.95))
        return cls(float(median), float(low), float(high))


# The bootstrap


class Resampler:
    """Samples of n examples drawn with replacement, from a seeded generator of its own.

    Calls go on where the last one stopped, so the order of calls decides the samples; the size of a
    block does not.
    """

    def __init__(self, resamples: int = RESAMPLES, seed: int = 0, block: int = BLOCK) -> None:
        self.resamples = resamples
        self._generator = np.random.default_rng(seed)
        self._block = block

    def rows(self, n: int) -> Iterator[NDArray[np.int64]]:
        """The examples of each resample as row numbers, in blocks of shape (resamples, n)."""
        size = max(1, self._block // n)
        for start in range(0, self.resamples, size):
            count = min(size, self.resamples - start)
            yield self._generator.integers(0, n, (count, n))

    def counts(self, n: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
        """How often each cell occurs in a resample of n examples: (resamples, cells).

        `shares` (cells,) are the cells' shares of the examples and sum to 1.
        """
        return self._generator.multinomial(n, shares, self.resamples)


def bootstrap_mean(values: Sequence[float], seed: int = 0) -> Statistic:
    """The mean with its bootstrap percentile interval; an interval needs two values.

    The values are sorted first, so their order does not matter. Equal to `scipy.stats.bootstrap`
    with the same generator, without its import of a second. Source: Efron and Tibshirani 1993,
    chapter 13.
    """
    if not values:
        return Statistic(None, 0, None, None)
    sample = np.sort(np.asarray(values, dtype=float))
    value = float(sample.mean())
    if len(sample) == 1:
        return Statistic(value, 1, None, None)
    means = [sample[rows].mean(axis=-1) for rows in Resampler(RESAMPLES, seed).rows(len(sample))]
    low, high = _scipy_quantiles(np.concatenate(means))
    return Statistic(value, len(sample), low, high)


def _scipy_quantiles(values: NDArray[np.float64]) -> tuple[float, float]:
    """The bounds of a 95% interval, with the rounding of `scipy.stats.bootstrap`.

    (1 − g) x₍ⱼ₎ + g x₍ⱼ₊₁₎, where NumPy's linear quantile computes x₍ⱼ₎ + g (x₍ⱼ₊₁₎ − x₍ⱼ₎).
    """
    ordered = np.sort(values)
    tail = (1 - 0.95) / 2

    def quantile(share: float) -> float:
        position = share * len(ordered) + (1 - share)
        rank, fraction = int(position), position % 1
        return float((1 - fraction) * ordered[rank - 1] + fraction * ordered[rank])

    return quantile(tail), quantile(1 - tail)


# Differences


def independent_difference(first: Statistic, second: Statistic) -> Statistic:
    """Difference `first` − `second` of two independent samples, its interval from those of both.

    d = a − b, low = d − √((a − a_low)² + (b_high − b)²), high likewise. Raises ValueError where a
    figure has no interval. Source: Newcombe, Statistics in Medicine 1998, method 10.
    """
    if first.value is None or second.value is None:
        return UNKNOWN_DIFFERENCE
    a, b = first.value, second.value
    (a_low, a_high), (b_low, b_high) = first.interval, second.interval
    return Statistic(
        a - b,
        min(first.n, second.n),
        a - b - math.hypot(a - a_low, b_high - b),
        a - b + math.hypot(a_high - a, b - b_low),
    )


def paired_difference(
    first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]
) -> Statistic:
    """Accuracy of the second minus that of the first on the same examples, seeds paired in order.

    Both hold, for each seed, whether each example is classified correctly. One seed: Newcombe's
    score interval for paired shares, which holds where few examples differ, or none. Several: d_i
    is an example's mean difference over the seeds; mean ± 1.96 sd / √n over the examples. Both tell
    how sure the difference of these very models is, not how much other seeds would differ.
    """
    if not first or len(first) != len(second) or not first[0]:
        return UNKNOWN_DIFFERENCE
    n, seeds = len(first[0]), len(first)
    if seeds == 1:
        return _score_interval(first[0], second[0])
    differences = [
        sum(int(b[row]) - int(a[row]) for a, b in zip(first, second, strict=True)) / seeds
        for row in range(n)
    ]
    mean = sum(differences) / n
    variance = sum((difference - mean) ** 2 for difference in differences) / max(n - 1, 1)
    spread = math.sqrt(variance / n)
    return Statistic(mean, n, mean - Z95 * spread, mean + Z95 * spread)


def _score_interval(first: Sequence[bool], second: Sequence[bool]) -> Statistic:
    """p₂ − p₁ of one table of pairs, from Wilson's limits of both and their correlation φ.

    With Δ = p − low and ε = high − p: low = d − √(Δ₂² − 2φΔ₂ε₁ + ε₁²), high = d + √(ε₂² − 2φε₂Δ₁ +
    Δ₁²), φ from the table with a correction for continuity. Source: Newcombe, Statistics in
    Medicine 1998, 17, 2635–2650, method 10.
    """
    n = len(first)
    both = sum(a and b for a, b in zip(first, second, strict=True))
    first_rate, second_rate = Rate.of(sum(first), n), Rate.of(sum(second), n)
    assert first_rate.value is not None and second_rate.value is not None
    only_one, only_two = sum(first) - both, sum(second) - both
    neither = n - both - only_one - only_two
    covariance = float(both * neither - only_one * only_two)
    covariance = max(covariance - n / 2, 0.0) if covariance > 0 else covariance
    scale = math.sqrt(sum(first) * (n - sum(first)) * sum(second) * (n - sum(second)))
    phi = covariance / scale if scale else 0.0

    def combined(a: float, b: float) -> float:
        return math.sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))

    difference = (only_two - only_one) / n
    below = combined(second_rate.value - second_rate.low, first_rate.high - first_rate.value)
    above = combined(second_rate.high - second_rate.value, first_rate.value - first_rate.low)
    return Statistic(difference, n, difference - below, difference + above)


# Tests


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact p-value for b and c discordant pairs: the two-sided binomial test at ½.

    min(1, 2 Σ_{i ≤ min(b, c)} (b+c over i) / 2^(b+c)), in whole numbers; 1 where no pair is
    discordant. Source: McNemar, Psychometrika 1947.
    """
    discordant = only_first + only_second
    tail = sum(comb(discordant, i) for i in range(min(only_first, only_second) + 1))
    total: int = 1 << discordant
    return min(1.0, 2 * tail / total)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the given order.

    With the m p-values in ascending order, p̃₍ᵢ₎ = max over j ≤ i of min(1, (m − j + 1) · p₍ⱼ₎).
    Calling those below α different wrongly calls any of m comparisons different with a probability
    of at most α, however they depend on each other. Source: Holm, Scandinavian Journal of
    Statistics 1979.
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


# F1


def f1(table: Any, average: str) -> Any:
    """F1_c = 2 TP / (2 TP + FP + FN), 0 where a class neither occurs nor is predicted.

    `table` is (…, classes, classes + 1): rows are true classes, columns predicted ones, the last
    column predictions that are no class. "weighted": Σ_c n_c/n · F1_c; "binary": F1 of class 1.
    """
    classes = table.shape[-2]
    hits = np.diagonal(table[..., :classes], axis1=-2, axis2=-1)
    support, predicted = table.sum(axis=-1), table[..., :classes].sum(axis=-2)
    by_class = 2 * hits / np.maximum(support + predicted, 1)
    if average == "binary":
        return by_class[..., 1]
    return (by_class * support).sum(axis=-1) / np.maximum(support.sum(axis=-1), 1)


def f1_interval(table: Any, average: str) -> Statistic:
    """F1 with its bootstrap percentile interval over the examples; `table` as in `f1`."""
    n = int(table.sum())
    counts = Resampler().counts(n, table.reshape(-1) / n)
    low, high = np.quantile(f1(counts.reshape(-1, *table.shape), average), TAILS)
    return Statistic(float(f1(table, average)), n, float(low), float(high))


# Packed rows


def bits_to_hex(bits: Sequence[bool]) -> str:
    """Hexadecimal digits, 8 bits in two of them, the first bit highest."""
    return np.packbits(bits).tobytes().hex()


def bits_from_hex(digits: str, n: int) -> list[bool]:
    """The inverse of `bits_to_hex` for n bits."""
    packed = bytes.fromhex(digits)
    return [bool(packed[row // 8] >> (7 - row % 8) & 1) for row in range(n)]

"""A figure with its interval, the gap between two, and the difference of two models on the same
rows. Light to import.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.engine.records import Z95, Rate


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure with a 95 % interval; value is None where there is nothing to go by."""

    value: float | None
    n: int
    low: float
    high: float


def gap(inside: Metric, outside: Metric) -> Metric:
    """ID − OOD with a 95 % interval from those of both.

    d = a − b, low = d − √((a − a_low)² + (b_high − b)²), high likewise. Source: Newcombe,
    Statistics in Medicine 1998, method 10.
    """
    if inside.value is None or outside.value is None:
        return Metric(None, 0, -1.0, 1.0)
    a, b = inside.value, outside.value
    return Metric(
        a - b,
        min(inside.n, outside.n),
        a - b - math.hypot(a - inside.low, outside.high - b),
        a - b + math.hypot(inside.high - a, b - outside.low),
    )


def bits_of(digits: str, n: int) -> list[bool]:
    """Rows that are right, from hexadecimal digits, 8 rows in two of them."""
    whole = bytes.fromhex(digits)
    return [bool(whole[row // 8] >> (7 - row % 8) & 1) for row in range(n)]


def paired_difference(first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]) -> Metric:
    """Accuracy of the second minus that of the first on the same rows, seeds paired in order.

    One seed: the score interval for paired shares, which holds where few rows differ, or none.
    Several: d_i is a row's mean difference over the seeds; mean ± 1.96 sd / √n over the rows. Both
    tell how sure the difference of these very models is, not how much other seeds would differ.
    """
    if not first or len(first) != len(second) or not first[0]:
        return Metric(None, 0, -1.0, 1.0)
    n, seeds = len(first[0]), len(first)
    if seeds == 1:
        return _score_interval(first[0], second[0])
    each = [
        sum(int(b[row]) - int(a[row]) for a, b in zip(first, second, strict=True)) / seeds
        for row in range(n)
    ]
    mean = sum(each) / n
    spread = math.sqrt(sum((one - mean) ** 2 for one in each) / max(n - 1, 1) / n)
    return Metric(mean, n, mean - Z95 * spread, mean + Z95 * spread)


def _score_interval(first: Sequence[bool], second: Sequence[bool]) -> Metric:
    """p₂ − p₁ of one table of pairs, from Wilson's limits of both and their correlation φ.

    With Δ = p − low and ε = high − p: low = d − √(Δ₂² − 2φΔ₂ε₁ + ε₁²), high = d + √(ε₂² − 2φε₂Δ₁ +
    Δ₁²), φ from the table with a correction for continuity. Source: Newcombe, Statistics in
    Medicine 1998, 17, 2635–2650, method 10.
    """
    n = len(first)
    both = sum(a and b for a, b in zip(first, second, strict=True))
    one, two = Rate.of(sum(first), n), Rate.of(sum(second), n)
    assert one.value is not None and two.value is not None
    only_one, only_two = sum(first) - both, sum(second) - both
    neither = n - both - only_one - only_two
    together = float(both * neither - only_one * only_two)
    together = max(together - n / 2, 0.0) if together > 0 else together
    size = math.sqrt(sum(first) * (n - sum(first)) * sum(second) * (n - sum(second)))
    phi = together / size if size else 0.0

    def root(a: float, b: float) -> float:
        return math.sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))

    d = (only_two - only_one) / n
    return Metric(
        d,
        n,
        d - root(two.value - two.low, one.high - one.value),
        d + root(two.high - two.value, one.value - one.low),
    )

"""A figure with its interval, the gap between two, and the difference of two models on the same rows. Light to import."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.records import Z95


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure with a 95 % interval; value is None where there is nothing to go by."""

    value: float | None
    n: int
    low: float
    high: float


def gap(inside: Metric, outside: Metric) -> Metric:
    """ID − OOD with a 95 % interval from those of both.

    d = a − b, low = d − √((a − a_low)² + (b_high − b)²), high likewise. Source: Newcombe, Statistics in Medicine 1998, method 10.
    """
    if inside.value is None or outside.value is None:
        return Metric(None, 0, -1.0, 1.0)
    a, b = inside.value, outside.value
    return Metric(a - b, min(inside.n, outside.n), a - b - math.hypot(a - inside.low, outside.high - b),
                  a - b + math.hypot(inside.high - a, b - outside.low))  # fmt: skip


def bits_of(digits: str, n: int) -> list[bool]:
    """Rows that are right, from hexadecimal digits, 8 rows in two of them."""
    whole = bytes.fromhex(digits)
    return [bool(whole[row // 8] >> (7 - row % 8) & 1) for row in range(n)]


def paired_difference(first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]) -> Metric:
    """Accuracy of the second minus that of the first on the same rows, seeds paired in order.

    d_i is a row's mean difference over the seeds; mean ± 1.96 sd / √n over the rows. It tells how sure the difference of these
    very models is, not how much other seeds would differ.
    """
    if not first or len(first) != len(second) or not first[0]:
        return Metric(None, 0, -1.0, 1.0)
    n, seeds = len(first[0]), len(first)
    each = [sum(int(b[row]) - int(a[row]) for a, b in zip(first, second, strict=True)) / seeds for row in range(n)]
    mean = sum(each) / n
    spread = math.sqrt(sum((one - mean) ** 2 for one in each) / max(n - 1, 1) / n)
    return Metric(mean, n, mean - Z95 * spread, mean + Z95 * spread)

"""What a number of examples can tell, before anything is measured. Light to import."""

import math

from prunescope.engine.evaluation.statistics import mcnemar
from prunescope.engine.records import Z95

# Share of attacked examples that withstand with one of dense and pruned alone: 90% of the shipped
# levels have at most this (the median is 0.06).
FLIPS = 0.125
SIGNIFICANT = 0.05
USUAL_ACCURACY = 0.85


def half_width(n: int, share: float = USUAL_ACCURACY) -> float:
    """Half the 95% interval of a rate, in points: 100 z √(p (1 − p) / n)."""
    return 100 * Z95 * math.sqrt(share * (1 - share) / n)


def smallest_difference(n: int, flips: float = FLIPS) -> float:
    """The smallest difference between two models on the same n examples that McNemar's exact test
    finds at 5%, in points, where `flips` n of them go one way or the other.

    With f = ⌈flips n⌉ flips, of which b go one way, it is 100 (2b − f) / n for the least b that is
    significant. Where no b is, f grows until one is; where even n flips are not enough it is 100.
    """
    discordant = max(1, math.ceil(flips * n))
    while mcnemar(discordant, 0) > SIGNIFICANT:
        discordant += 1
    one_way = next(
        count
        for count in range((discordant + 1) // 2, discordant + 1)
        if mcnemar(count, discordant - count) <= SIGNIFICANT
    )
    return min(100.0, 100 * (2 * one_way - discordant) / n)

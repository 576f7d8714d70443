"""Whether paired losses lie within a margin: one-sided tests with a size of at most 5%."""

import math

Z_ONE_SIDED = 1.6448536269514722  # 95% quantile of the normal distribution


def within_margin(lost: int, gained: int, n: int, margin: float) -> float:
    """One-sided p-value of "the share lost is the margin or more": small where it is surely less.

    Of n examples `lost` are right at first only and `gained` at second only. Tango's score test,
    made conservative by one example: z = (δ − (lost − gained + 1) / n) / √((2q̂ + δ(1 − δ)) / n),
    q̂ the most likely share gained where the loss is δ. Its exact size stays below 5% for every n
    from 20 and δ from half a point (tests/evaluation/test_evaluation_margins.py). Source: Tango,
    Statistics in Medicine 1998, 17, 891–908.
    """
    if margin >= 1:
        return 0.0  # nobody loses more than everything
    return _upper_tail(_score(lost, gained, n, margin, margin - (lost - gained + 1) / n))


def beyond_margin(lost: int, gained: int, n: int, margin: float) -> float:
    """One-sided p-value of "the share lost is the margin or less": small where it is surely more.

    The same score on the other side, conservative by one example as well.
    """
    if margin >= 1:
        return 1.0
    return _upper_tail(_score(lost, gained, n, margin, (lost - gained - 1) / n - margin))


def fewest_examples(margin: float) -> int:
    """How many examples it takes to confirm a margin in (0, 1) where none of them flips.

    The least n with (δ − 1/n) ≥ z √(δ(1 − δ) / n).
    """
    half = Z_ONE_SIDED * math.sqrt(margin * (1 - margin)) / 2
    root = (half + math.sqrt(half * half + margin)) / margin  # of δ x² − 2 half x − 1, x = √n
    return math.ceil(root * root - 1e-9)


def _score(lost: int, gained: int, n: int, margin: float, distance: float) -> float:
    """`distance` in standard errors under a loss of exactly the margin."""
    linear = lost * (1 + margin) + gained * (1 - margin) - 2 * n * margin
    constant = gained * margin * (1 - margin)
    share = max(0.0, (linear + math.sqrt(linear * linear + 8 * n * constant)) / (4 * n))
    variance = (2 * share + margin * (1 - margin)) / n
    if variance <= 0:
        return math.inf if distance > 0 else -math.inf
    return distance / math.sqrt(variance)


def _upper_tail(z: float) -> float:
    """P(Z ≥ z) of the normal distribution."""
    return 0.5 * math.erfc(z / math.sqrt(2))

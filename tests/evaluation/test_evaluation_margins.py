"""The one-sided tests of a margin: their exact size, their direction, and the fewest examples."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.engine.evaluation.margins import beyond_margin, fewest_examples, within_margin


def exact_size(n: int, margin: float, share_gained: float, within: bool) -> float:
    """The probability that a test at 5% rejects where the loss is exactly the margin."""
    chances = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    lost_share, size = share_gained + margin, 0.0
    test = within_margin if within else beyond_margin
    logs = [math.log(share) for share in (lost_share, share_gained, 1 - lost_share - share_gained)]
    for lost in range(n + 1):
        for gained in range(n + 1 - lost):
            if test(lost, gained, n, margin) <= 0.05:
                same = n - lost - gained
                ways = chances[n] - chances[lost] - chances[gained] - chances[same]
                size += math.exp(ways + lost * logs[0] + gained * logs[1] + same * logs[2])
    return size


@pytest.mark.parametrize("n", [20, 60, 200])
@pytest.mark.parametrize("margin", [0.01, 0.03, 0.1, 0.2])
@pytest.mark.parametrize("share_gained", [1e-6, 0.02, 0.2])
def test_a_margin_that_is_just_passed_is_seldom_confirmed(
    n: int, margin: float, share_gained: float
) -> None:
    assert exact_size(n, margin, share_gained, within=True) <= 0.05


@pytest.mark.parametrize("n", [20, 60])
@pytest.mark.parametrize("margin", [0.03, 0.1])
def test_a_margin_that_is_just_kept_is_seldom_called_broken(n: int, margin: float) -> None:
    for share_gained in (1e-6, 0.02, 0.2):
        assert exact_size(n, margin, share_gained, within=False) <= 0.05


@given(st.integers(1, 300), st.data())
def test_a_further_loss_never_makes_it_surer(n: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, n))
    gained = data.draw(st.integers(0, n - lost))
    margin = data.draw(st.sampled_from([0.005, 0.03, 0.2, 1.0]))
    within, beyond = (test(lost, gained, n, margin) for test in (within_margin, beyond_margin))
    assert 0 <= within <= 1 and 0 <= beyond <= 1
    assert within > 0.05 or beyond > 0.05, "it cannot be both"
    if lost + gained < n and within < 0.5:  # beyond, both are near 1 and decide nothing
        assert within_margin(lost + 1, gained, n, margin) >= within - 1e-12
    if lost and beyond < 0.5:
        assert beyond_margin(lost - 1, gained, n, margin) >= beyond - 1e-12


def test_the_score_is_that_of_tango_with_one_more_lost() -> None:
    """By the most likely share gained under the margin, searched for on a grid."""
    lost, gained, n, margin = 9, 4, 200, 0.06
    shares = np.linspace(1e-7, (1 - margin) / 2 - 1e-7, 400_001)
    likelihood = (
        lost * np.log(shares + margin)
        + gained * np.log(shares)
        + (n - lost - gained) * np.log(1 - 2 * shares - margin)
    )
    share = float(shares[likelihood.argmax()])
    z = (margin - (lost - gained + 1) / n) / math.sqrt((2 * share + margin * (1 - margin)) / n)
    expected = 0.5 * math.erfc(z / math.sqrt(2))
    assert within_margin(lost, gained, n, margin) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("margin", [0.005, 0.01, 0.03, 0.05, 0.2])
def test_the_fewest_examples_are_the_fewest(margin: float) -> None:
    n = fewest_examples(margin)
    assert within_margin(0, 0, n, margin) <= 0.05 < within_margin(0, 0, n - 1, margin)


def test_without_a_margin_agreement_proves_nothing() -> None:
    assert within_margin(0, 0, 1000, 0.0) == 1.0 == beyond_margin(0, 0, 1000, 0.0)
    assert within_margin(50, 0, 50, 1.0) == 0.0 and beyond_margin(50, 0, 50, 1.0) == 1.0

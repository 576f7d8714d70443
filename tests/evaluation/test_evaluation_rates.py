"""Shares and their Wilson intervals, against SciPy's."""

import pytest
import torch
from scipy.stats import binomtest

from prunescope.engine.evaluation.measure import Predictions, accuracy
from prunescope.engine.records import Rate


@pytest.mark.parametrize(
    ("hits", "n"), [(0, 1), (1, 1), (0, 50), (50, 50), (1, 3), (7, 200), (436, 872), (871, 872)]
)
def test_interval_is_wilsons(hits: int, n: int):
    rate = Rate.of(hits, n)
    wanted = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert (rate.low, rate.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert (rate.value, rate.n, rate.hits) == (hits / n, n, hits)


@pytest.mark.parametrize("n", [1, 3, 10, 872])
def test_interval_stays_within_zero_and_one(n: int):
    assert Rate.of(0, n).low == 0.0
    assert Rate.of(n, n).high == 1.0


def test_nothing_counted_says_nothing():
    assert Rate.of(0, 0) == Rate(None, 0, 0.0, 1.0)
    assert Rate.of(0, 0).hits == 0


@pytest.mark.parametrize(("hits", "n"), [(-1, 5), (6, 5), (1, 0)])
def test_counts_that_are_no_share(hits: int, n: int):
    with pytest.raises(ValueError, match="is not a share"):
        Rate.of(hits, n)


def test_accuracy_counts_the_right_rows():
    reading = Predictions((1, 0, 1, 1), torch.empty(4, 2))
    assert reading.correct([1, 1, 1, 0]) == (0, 2)
    assert accuracy(reading, [1, 1, 1, 0]) == Rate.of(2, 4)


def test_labels_of_another_number_are_refused():
    with pytest.raises(ValueError):
        accuracy(Predictions((1, 0), torch.empty(2, 2)), [1, 0, 1])

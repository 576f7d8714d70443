"""Statistics against SciPy, scikit-learn and published examples, and intervals that cover."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import f1_score

from prunescope.engine.evaluation.shift import confusion
from prunescope.engine.evaluation.statistics import (
    RESAMPLES,
    Resampler,
    Statistic,
    bits_from_hex,
    bits_to_hex,
    bootstrap_mean,
    f1,
    f1_interval,
    holm,
    independent_difference,
    paired_difference,
)
from prunescope.engine.records import Rate


def test_pages_get_statistics_without_torch_and_scipy():
    """Each takes a second or more to load."""
    loads = (
        "import sys, prunescope.engine.evaluation.statistics, "
        "prunescope.engine.evaluation.collapse; sys.exit(', '.join({'torch', 'scipy', 'pandas'} & "
        "set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", loads], check=True)


@pytest.mark.parametrize("n", [2, 30, 501, 1200])
def test_the_bootstrap_is_scipys_to_the_last_bit(n: int):
    values = np.sort(np.random.default_rng(n).exponential(10, n))
    expected = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=1_000_000 // n,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert bootstrap_mean(values.tolist()).interval == (expected.low, expected.high)


def test_resamples_do_not_depend_on_the_size_of_a_block():
    whole, parts = (
        np.concatenate(list(Resampler(50, 3, block).rows(40))) for block in (1_000_000, 100)
    )
    assert whole.shape == (50, 40) and (whole == parts).all()
    assert whole.min() == 0 and whole.max() == 39


def test_a_mean_has_its_bootstrap_interval():
    values = np.random.default_rng(1).exponential(10, 400).tolist()
    found = bootstrap_mean(values)
    assert (found.value, found.n) == (pytest.approx(np.mean(values)), 400)
    normal = 1.96 * np.std(values) / 20
    assert found.low == pytest.approx(found.value - normal, abs=0.3 * normal)
    assert found.high == pytest.approx(found.value + normal, abs=0.3 * normal)
    assert bootstrap_mean(values[::-1]) == found


def test_a_mean_of_few_values_has_no_interval():
    assert bootstrap_mean([]) == Statistic(None, 0, None, None)
    assert bootstrap_mean([3]) == Statistic(3.0, 1, None, None)
    assert bootstrap_mean([3, 3]) == Statistic(3.0, 2, 3.0, 3.0)


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]):
    """A comparison's adjusted p-value is the largest Bonferroni p-value of any set of comparisons
    that holds it.
    """
    sets = [
        chosen
        for size in range(1, 7)
        for chosen in itertools.combinations(range(len(p_values)), size)
    ]
    wanted = [
        max(
            min(1.0, len(chosen) * min(p_values[i] for i in chosen))
            for chosen in sets
            if place in chosen
        )
        for place in range(len(p_values))
    ]
    assert holm(p_values) == pytest.approx(tuple(wanted))


@pytest.mark.parametrize("classes", [2, 3])
def test_f1_is_scikit_learns(classes: int):
    draw = np.random.default_rng(classes)
    for _ in range(30):
        labels, predicted = draw.integers(0, classes, 40), draw.integers(-1, classes, 40)
        table = confusion(labels, predicted, classes)
        known = f1_score(
            labels, predicted, average="weighted", labels=list(range(classes)), zero_division=0
        )
        assert float(f1(table, "weighted")) == pytest.approx(known, abs=1e-12)
        if classes == 2:
            known = f1_score(labels == 1, predicted == 1, zero_division=0)
            assert float(f1(table, "binary")) == pytest.approx(known, abs=1e-12)


def test_the_interval_of_f1_covers_the_truth_about_as_often_as_it_says():
    truth = np.array([[300, 100, 0], [80, 220, 0]])
    draw, value = np.random.default_rng(1), float(f1(truth, "binary"))
    hits = 0
    for _ in range(200):
        found = f1_interval(
            draw.multinomial(200, truth.reshape(-1) / truth.sum()).reshape(truth.shape), "binary"
        )
        hits += found.low <= value <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_an_independent_difference_has_newcombes_interval():
    """56/70 against 48/80: the difference .2000 with .0524 to .3339 (Newcombe 1998, table II,
    method 10).
    """
    one, two = (Statistic.of_rate(Rate.of(hits, n)) for hits, n in ((56, 70), (48, 80)))
    found = independent_difference(one, two)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )


def test_a_paired_difference_is_over_rows_and_seeds():
    first, second = [[True, False, False, True]], [[True, True, False, False]]
    assert paired_difference(first, second).value == 0
    found = paired_difference([[True, False] * 50] * 2, [[True, True] * 50] * 2)
    assert found.value == pytest.approx(0.5)
    assert found.high - 0.5 == pytest.approx(1.96 * 0.5 / np.sqrt(99), rel=1e-3)
    assert paired_difference([], []).value is None


def pairs(both: int, first: int, second: int, neither: int) -> Statistic:
    """The difference of a table of pairs, one seed."""
    return paired_difference(
        [[True] * (both + first) + [False] * (second + neither)],
        [[True] * both + [False] * first + [True] * second + [False] * neither],
    )


def test_the_interval_of_one_seed_is_the_published_score_interval():
    found = pairs(36, 2, 12, 0)  # the first example of Newcombe's Table II
    assert (found.value, round(found.low, 4), round(found.high, 4)) == (
        pytest.approx(0.2),
        0.0569,
        0.3404,
    )
    other = pairs(36, 12, 2, 0)
    assert (other.low, other.high) == (pytest.approx(-found.high), pytest.approx(-found.low))


def test_few_rows_that_differ_or_none_leave_room():
    assert pairs(0, 0, 4, 56).low < 0 < pairs(0, 0, 4, 56).high  # McNemar's exact p is .125
    assert pairs(0, 0, 9, 51).low > 0  # .004
    for none in (pairs(30, 0, 0, 30), pairs(60, 0, 0, 0), pairs(0, 0, 0, 60)):
        assert none.value == 0 and none.low == pytest.approx(-none.high) and 0 < none.high < 0.07


def test_bits_come_back_from_their_digits():
    right = [bool(one) for one in np.random.default_rng(0).integers(0, 2, 37)]
    assert bits_from_hex(bits_to_hex(right), 37) == right


def test_a_statistic_without_an_interval_says_so():
    with pytest.raises(ValueError, match="1 examples are too few for an interval"):
        independent_difference(bootstrap_mean([3]), bootstrap_mean([3, 4]))

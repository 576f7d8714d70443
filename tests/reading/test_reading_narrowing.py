"""How many more examples would decide, against simulation of the test that decides."""

import numpy as np
import pytest
from made_up_studies import made_up_study

from prunescope.engine import last_safe
from prunescope.engine.evaluation.margins import within_margin
from prunescope.engine.evaluation.statistics import mcnemar
from prunescope.engine.reading.narrowing import (
    FARTHEST,
    POWER,
    need_of,
    needed_examples,
    next_steps,
)
from prunescope.engine.reading.safety import ALPHA
from prunescope.engine.reading.sample_size import smallest_difference


def share_that_passes(
    lost: float, gained: float, n: int, margin: float, draws: int = 4000
) -> float:
    """How often n new examples with these shares confirm the margin."""
    rng = np.random.default_rng(0)
    rows = rng.multinomial(n, [lost, gained, 1 - lost - gained], draws)
    return float(np.mean([within_margin(int(b), int(c), n, margin) <= ALPHA for b, c, _ in rows]))


@pytest.mark.parametrize("lost", [2, 4, 8])
@pytest.mark.parametrize("gained", [0, 3, 8])
@pytest.mark.parametrize("margin", [0.03, 0.05, 0.1])
def test_so_many_examples_confirm_in_four_of_five_cases(
    lost: int, gained: int, margin: float
) -> None:
    n = 200
    needed = needed_examples(lost, gained, n, margin)
    if lost / n - gained / n >= margin:
        assert needed is None
        return
    if needed is None:
        return
    passed = share_that_passes(lost / n, gained / n, needed, margin)
    assert POWER - 0.08 <= passed <= 1.0
    if needed > 300:  # small numbers jump from example to example
        assert passed <= POWER + 0.08
        assert share_that_passes(lost / n, gained / n, needed // 2, margin) < POWER - 0.1


def test_no_number_is_named_where_none_would_do() -> None:
    assert needed_examples(10, 0, 200, 0.05) is None, "the loss is the tolerance"
    assert needed_examples(20, 0, 200, 0.05) is None, "the loss is more"
    assert needed_examples(49, 0, 1000, 0.05) is None or FARTHEST >= 100
    assert needed_examples(0, 0, 50, 0.05) is not None


def test_a_study_says_what_to_measure_next() -> None:
    study = made_up_study((0.0, 0.01, 0.02), attacked=20)
    safe = last_safe(study, 3.0)
    assert safe is not None and safe.sure < safe.sparsity == 0.02
    need = need_of(study, safe)
    assert need is not None and need.sparsity == 0.02 and need.attacked > 20
    steps = " ".join(next_steps(study, safe))
    assert "attacked examples in place of 20" in steps and "Nothing sparser than 2%" in steps


@pytest.mark.parametrize("n", [20, 100, 200, 400])
def test_the_smallest_difference_is_the_first_that_mcnemar_finds(n: int) -> None:
    points = smallest_difference(n)
    found = round(points * n / 100)  # flips one way more than the other
    flips = next(f for f in range(1, n + 1) if f >= 0.125 * n and mcnemar(f, 0) <= 0.05)
    one_way = (flips + found) // 2
    assert mcnemar(one_way, flips - one_way) <= 0.05 < mcnemar(one_way - 1, flips - one_way + 1)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_no_difference_is_more_than_all_examples(n: int) -> None:
    assert smallest_difference(n) == 100


def test_a_dense_model_alone_has_no_safe_sparsity() -> None:
    assert last_safe(made_up_study((0.0,)), 3.0) is None, "no lower one was measured, so none falls"

"""The records: rates with their Wilson interval, and what a specification refuses."""

import math

import pytest

from prunescope import engine
from prunescope.engine.errors import SettingError
from prunescope.engine.records import Rate, StudySpec


def test_a_rate_has_the_wilson_interval() -> None:
    rate = Rate.of(8, 10)
    assert (rate.value, rate.n, rate.hits) == (0.8, 10, 8)
    # The bounds are the two p that solve (p̂ − p)² = z² p (1 − p) / n.
    for bound in (rate.low, rate.high):
        assert (0.8 - bound) ** 2 == pytest.approx(1.959963984540054**2 * bound * (1 - bound) / 10)
    assert rate.low < 0.8 < rate.high


def test_an_interval_at_the_edge_ends_exactly_there() -> None:
    for n in range(1, 300):
        none, all_ = Rate.of(0, n), Rate.of(n, n)
        assert none.low == 0 < none.high < 1 and 0 < all_.low < 1 == all_.high


def test_a_rate_of_nothing_has_no_value_and_the_widest_interval() -> None:
    assert Rate.of(0, 0) == Rate(None, 0, 0.0, 1.0)


@pytest.mark.parametrize(("hits", "n"), [(3, 2), (-1, 2), (1, 0)])
def test_what_is_not_a_share_is_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} of {n}"):
        Rate.of(hits, n)


@pytest.mark.parametrize("level", [1.0, -0.1, 1, math.nan, math.inf, "0.5", 0.9999999])
def test_a_level_outside_its_range_is_refused_by_value(level: object) -> None:
    with pytest.raises(SettingError, match=f"Sparsity {level} is outside"):
        StudySpec(levels=(0.5, level))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 99999999999999999999])
def test_a_seed_that_no_generator_takes_is_refused(seed: int) -> None:
    assert StudySpec(seed=2**63 - 1).seed == 2**63 - 1 and StudySpec(seed=-(2**63)).seed == -(2**63)
    with pytest.raises(SettingError, match=f"The seed is {seed}; it must be a number of 64 bits"):
        StudySpec(seed=seed)


@pytest.mark.parametrize("name", ["calibration", "held_out", "eval_examples", "attack_examples"])
def test_a_size_below_one_is_refused_by_name_and_value(name: str) -> None:
    with pytest.raises(SettingError, match=f"`{name}` is 0"):
        StudySpec(**{name: 0})  # type: ignore[arg-type]


def test_without_an_attack_no_examples_to_attack_are_needed() -> None:
    assert StudySpec(attack="none", attack_examples=0).attack_examples == 0


def test_levels_have_six_digits_so_that_none_is_measured_twice() -> None:
    assert StudySpec(levels=(0, 0.5000001, 1 / 3)).levels == (0.0, 0.5, 0.333333)


def test_no_levels_are_refused() -> None:
    with pytest.raises(SettingError, match="no levels"):
        StudySpec(levels=())


def test_a_study_finds_its_level_whatever_the_last_digit() -> None:
    level = engine.LevelResult(0.3, 0.3, 0.2, Rate.of(1, 2), None, None, 0.0, {}, (), (), (), 1, 1)
    study = engine.Study("key", {}, {}, (level,))
    assert study.level(0.1 + 0.2) is level
    assert study.level(0.31) is None

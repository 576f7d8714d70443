"""How long a study will take, by what like studies took."""

from dataclasses import asdict
from typing import Any

import pytest

from prunescope.engine.records import StudySpec
from prunescope.engine.store.listing import StudyRow
from prunescope.engine.studies.estimate import LOADING, estimate

SPEC = StudySpec(
    model="m",
    data="/data/reviews",
    method="adaptive",
    levels=(0.0, 0.5),
    calibration=100,
    eval_examples=200,
    attack="deepwordbug",
    attack_examples=50,
)


def measured(
    key: str,
    counted: dict[str, int],
    seconds: dict[str, float],
    sparsities: tuple[float, ...] = (0.0, 0.5),
    **settings: Any,
) -> StudyRow:
    spec = {
        name: value
        for name, value in (asdict(SPEC) | settings).items()
        if name not in ("levels", "device")
    }
    counts = {"calibration": 100, "held_out": 10, "evaluation": 200, "attacked": 50, **counted}
    about = {
        "model": "M",
        "data": "reviews",
        "method": spec["method"],
        "attack": spec["attack"],
        "counts": counts,
        "spec": spec,
    }
    return StudyRow(
        key,
        "user",
        about,
        tuple({"sparsity": level, "seconds": seconds} for level in sparsities),
        1,
        0.0,
        False,
    )


# 0.1 a text, 0.01 a row, 0.5 an attacked row
SECONDS = {
    "prune": 10.0,
    "evaluate": 2.0,
    "attack": 25.0,
}


def test_seconds_go_by_the_counts_and_levels() -> None:
    found = estimate(SPEC, [measured("a", {}, SECONDS, seed=5)])
    assert found.seconds == pytest.approx(LOADING + 10 + 2 * 2 + 2 * 25) and found.studies == 1


def test_levels_that_are_stored_take_none() -> None:
    assert estimate(SPEC, [measured("a", {}, SECONDS, sparsities=(0.5,))]).seconds == pytest.approx(
        LOADING + 2 + 25
    )
    whole = estimate(SPEC, [measured("a", {}, SECONDS)])
    assert whole.seconds == pytest.approx(LOADING)
    assert whole.about == "Every level is stored already."


def test_rows_that_the_data_does_not_have_take_none() -> None:
    small = measured(
        "a",
        {"evaluation": 40, "attacked": 40},
        {**SECONDS, "evaluate": 0.4, "attack": 20.0},
        seed=5,
        eval_examples=900,
        attack_examples=900,
    )
    asked = StudySpec(**{**asdict(SPEC), "attack_examples": 10**6, "eval_examples": 10**6})
    assert estimate(asked, [small]).seconds == pytest.approx(LOADING + 10 + 2 * 0.4 + 2 * 20)


def test_studies_of_the_same_data_count_before_others() -> None:
    other = measured(
        "b", {}, {name: 9 * value for name, value in SECONDS.items()}, seed=5, data="/data/books"
    )
    alone = estimate(SPEC, [measured("a", {}, SECONDS, seed=5)]).seconds
    assert estimate(SPEC, [other, measured("a", {}, SECONDS, seed=5)]).seconds == alone
    assert (estimate(SPEC, [other]).seconds or 0) > (alone or 0)


def test_a_study_whose_settings_are_not_known_is_no_like_one() -> None:
    odd = measured("a", {}, SECONDS)
    odd.about["spec"] = {}
    assert estimate(SPEC, [odd]).seconds is None

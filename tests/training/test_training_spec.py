"""The record of one fine-tuning: every value out of its range is named, every entry that does not
fit refused.
"""

import math
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from prunescope.engine.config.describe import settings_of
from prunescope.engine.errors import SettingError
from prunescope.engine.training.recipe import read_recipe, recipe_path
from prunescope.engine.training.spec import TrainSpec, spec_from

SPEC = TrainSpec("member", seed=1, learning_rate=0.01)

ABOVE_0 = ("learning_rate", "epochs", "batch_size", "accumulation", "adv_steps", "clip", "checks")
AT_LEAST_0 = (
    "weight_decay",
    "rank",
    "momentum",
    "adv_lr",
    "adv_init",
    "adv_max_norm",
    "adv_weight",
    "patience",
)
SHARES = ("label_smoothing", "warmup", "momentum")
BAD: list[tuple[str, Any]] = [
    *((name, value) for name in ABOVE_0 for value in (0, -1, math.nan)),
    *((name, value) for name in AT_LEAST_0 for value in (-1, math.nan)),
    *((name, value) for name in SHARES for value in (-0.1, 1.0, math.nan)),
    *(
        (field.name, math.inf)
        for field in fields(TrainSpec)
        if settings_of(TrainSpec)[field.name].kind is float
    ),
    *(("seed", value) for value in (2**63, -(2**63) - 1, 99999999999999999999)),
    *(
        (name, value)
        for name in ("optimizer", "schedule", "adversarial")
        for value in ("other", "", "AdamW")
    ),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name}={value}" for name, value in BAD])
def test_a_value_out_of_its_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"{name}\b.*{value}"):
        replace(SPEC, **{name: value})


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, described in settings_of(TrainSpec).items()
        if described.kind is not str and name != "seed"
    ],
)
def test_no_number_has_an_open_range(name: str) -> None:
    assert name in (*ABOVE_0, *AT_LEAST_0, *SHARES)


def test_an_unknown_choice_lists_those_there_are() -> None:
    with pytest.raises(
        SettingError, match="`optimizer` is 'lion'; it must be one of adamw, adam, sgd"
    ):
        replace(SPEC, optimizer="lion")


def test_more_pieces_than_rows() -> None:
    with pytest.raises(
        SettingError, match="a step has 4 examples, which is fewer than its 5 accumulation steps"
    ):
        replace(SPEC, batch_size=4, accumulation=5)
    replace(SPEC, batch_size=4, accumulation=4)


def test_an_entry_is_read() -> None:
    entry = {"name": "a", "seed": 3, "learning_rate": 1, "adversarial": "pgd", "warmup": 0}
    assert spec_from(entry, "here") == TrainSpec(
        "a", seed=3, learning_rate=1, adversarial="pgd", warmup=0
    )


def test_a_spec_is_read_back() -> None:
    assert spec_from(asdict(SPEC), "here") == SPEC


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "unknown setting 'colour'; the settings are name, .*weight_decay"),
        ({"learning_rat": 1}, r"unknown setting 'learning_rat'; did you mean learning_rate\?"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'; it must be a number"),
        ({"learning_rate": None}, "learning_rate is None; it must be a number"),
        ({"learning_rate": True}, "learning_rate is True; it must be a number"),
        ({"batch_size": 1.5}, "batch_size is 1.5; it must be a whole number"),
        ({"batch_size": True}, "batch_size is True; it must be a whole number"),
        ({"seed": "first"}, "seed is 'first'; it must be a number of 64 bits"),
        ({"rank": "wide"}, "rank is 'wide'; it must be a whole number"),
        ({"optimizer": 3}, "optimizer is 3; it must be one of adamw, adam, sgd"),
        ({"optimizer": ["adam"]}, r"optimizer is \['adam'\]; it must be one of adamw"),
        ({"learning_rate": 0}, "learning_rate is 0; it must be a number above 0"),
    ],
)
def test_an_entry_that_does_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        spec_from({"name": "a", "seed": 1, "learning_rate": 0.1} | changes, "file.json")


@pytest.mark.parametrize("missing", ["name", "seed", "learning_rate"])
def test_an_entry_that_lacks_something(missing: str) -> None:
    entry = {"name": "a", "seed": 1, "learning_rate": 0.1}
    del entry[missing]
    with pytest.raises(
        SettingError,
        match=f"file.json: there is no {missing}; give ",
    ):
        spec_from(entry, "file.json")


# The shipped recipe

# rate, optimizer, seed (None where it is printed as random), epochs, decay, adversarial training
TABLE_8 = [
    (2e-5, "adam", 42, 10, 1e-2, True),
    (3e-5, "adamw", 426, 20, 1e-2, False),
    (5e-5, "sgd", None, 30, 1e-2, True),
    (2e-5, "adamw", 302, 10, 1e-3, False),
    (4e-2, "adamw", None, 30, 1e-2, True),
    (5e-5, "sgd", 42, 3, 1e-2, False),
    (1e-5, "adamw", 107, 20, 1e-3, True),
    (3e-5, "adam", None, 5, 1e-2, False),
    (2e-5, "adamw", 302, 30, 1e-3, True),
    (2e-5, "sgd", None, 15, 1e-2, False),
]


def test_the_shipped_recipe_is_table_8() -> None:
    members = read_recipe(recipe_path("p1-table8")).members
    assert [
        (
            m.learning_rate,
            m.optimizer,
            m.seed if seed else None,
            m.epochs,
            m.weight_decay,
            m.adversarial == "freelb",
        )
        for m, (_, _, seed, _, _, _) in zip(members, TABLE_8, strict=True)
    ] == TABLE_8
    assert {m.adversarial for m in members} == {"none", "freelb"}
    random_seeds = [m.seed for m, row in zip(members, TABLE_8, strict=True) if row[2] is None]
    assert len(set(random_seeds)) == 4 and not set(random_seeds) & {42, 426, 302, 107}
    assert {
        (m.rank, m.batch_size, m.schedule, m.label_smoothing, m.momentum, m.patience)
        for m in members
    } == {(0, 32, "linear", 0.0, 0.0, 0)}

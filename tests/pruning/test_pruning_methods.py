"""Methods by name, their settings, and what is refused."""

from dataclasses import fields, replace

import pytest

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning.methods import METHODS, SETTINGS, Method, method_named
from prunescope.engine.pruning.solvers import SOLVERS, solver_named


@pytest.mark.parametrize("name", METHODS)
def test_every_name_gives_its_method(name: str):
    method = method_named(name)
    assert method is METHODS[name] and method.name == name
    assert method_named(f"{name}:") is method
    assert method.about.endswith(".") and method.source
    assert method.solver in SOLVERS


def test_what_the_methods_are():
    adaptive, paper, sequential, static, wanda, magnitude = METHODS.values()
    assert list(METHODS) == ["adaptive", "paper", "sequential", "static", "wanda", "magnitude"]
    assert (
        adaptive.solver,
        adaptive.target,
        adaptive.residual,
        adaptive.importance,
        adaptive.refit,
    ) == ("joint", "adaptive", True, True, "cg")
    assert (paper.solver, paper.target, paper.rows, paper.heads) == ("exact", "paper", True, True)
    assert (sequential.solver, sequential.target, sequential.refit) == ("blocked", "none", "none")
    assert sequential == replace(
        static, name="sequential", about=sequential.about, source=sequential.source, inputs="sparse"
    )
    assert (wanda.solver, wanda.rows) == ("wanda", True)
    assert [method.calibrated for method in METHODS.values()] == [True] * 5 + [
        False
    ] and not magnitude.rows


def test_every_field_but_the_words_is_a_setting():
    assert {field.name for field in fields(Method)} == {
        *SETTINGS,
        "name",
        "about",
        "source",
        "allocation",
    }


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("solver=wanda", "wanda"),
        ("inputs=sparse", "sparse"),
        ("target=none", "none"),
        ("alpha=0.25", 0.25),
        ("alpha=auto", None),
        ("alpha=1", 1.0),
        ("residual=off", False),
        ("centre=on", True),
        ("refit=exact", "exact"),
        ("steps=12", 12),
        ("importance=off", False),
        ("damping=0.05", 0.05),
        ("damping=0", 0.0),
        ("rows=on", True),
        ("heads=off", False),
    ],
)
def test_a_setting_is_changed_and_named(setting: str, value: object):
    method, base = method_named(f"adaptive:{setting}"), METHODS["adaptive"]
    name = setting.partition("=")[0]
    assert getattr(method, name) == value and type(getattr(method, name)) is type(value)
    assert method == replace(base, name=f"adaptive:{setting}", **{name: value})


def test_settings_have_one_order_however_they_were_given():
    wanted = method_named("adaptive:target=adaptive,alpha=0.5,refit=none,importance=off")
    assert wanted.name == "adaptive:target=adaptive,alpha=0.5,refit=none,importance=off"
    assert (
        method_named("adaptive:importance=off, refit = none ,alpha=0.50,target=adaptive,") == wanted
    )


@pytest.mark.parametrize("target", ["adaptive", "sequential", "wanda"])
def test_the_exact_solver_works_row_by_row(target: str):
    assert method_named(f"{target}:solver=exact").rows
    assert not method_named("adaptive:solver=blocked").rows


@pytest.mark.parametrize("name", ["", "nope", "Adaptive", ":refit=cg", " adaptive"])
def test_an_unknown_method_lists_those_there_are(name: str):
    with pytest.raises(
        SettingError,
        match="is unknown; choose one of adaptive, paper, sequential, static, wanda, magnitude",
    ):
        method_named(name)


@pytest.mark.parametrize(
    "setting", ["refit", "name=x", "about=x", "source=x", "size=3", "=on", "refit:cg", "reFit=cg"]
)
def test_an_unknown_setting_lists_those_there_are(setting: str):
    with pytest.raises(
        SettingError,
        match=rf"'{setting}' of the method 'adaptive' is unknown; .* solver, inputs, target",
    ):
        method_named(f"adaptive:{setting}")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "importance=yes",
            "importance=yes is neither on nor off; write importance=on or importance=off",
        ),
        ("rows=", "rows= is neither on nor off"),
        ("centre=True", "centre=True is neither"),
        ("refit=lots", "refit=lots is unknown; choose one of none, cg, exact, cholesky"),
        ("inputs=both", "inputs=both is unknown; choose one of sparse, dense"),
        ("target=eq5", "target=eq5 is unknown; choose one of none, paper, adaptive"),
        (
            "solver=admm",
            "solver=admm is unknown; choose one of joint, blocked, exact, wanda, magnitude",
        ),
        ("alpha=1.5", "alpha=1.5 is not a number in 0 to 1"),
        ("alpha=-0.1", "alpha=-0.1 is not"),
        ("alpha=much", "alpha=much is not"),
        ("alpha=nan", "alpha=nan is not"),
        ("damping=0.2", "damping=0.2 is not a number in 0 to 0.1"),
        ("damping=auto", "damping=auto is not"),
        ("steps=0", "steps=0 is not a number in 1 to 100"),
        ("steps=101", "steps=101 is not"),
        ("steps=2.5", "steps=2.5 is not"),
        ("steps=nan", "steps=nan is not"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(setting: str, message: str):
    with pytest.raises(SettingError, match=message):
        method_named(f"adaptive:{setting}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adaptive:inputs=dense", "inputs=dense knows no drift to correct"),
        ("paper:inputs=dense", "inputs=dense knows no drift"),
        ("static:target=adaptive", "inputs=dense knows no drift"),
        ("adaptive:heads=on", "heads=on belongs to target=paper"),
        ("paper:target=none", "heads=on belongs to target=paper"),
        ("sequential:alpha=0.5", "alpha is the strength of target=adaptive"),
        ("paper:alpha=1", "alpha is the strength of target=adaptive"),
        ("paper:residual=on", "do not belong to Eq. 5"),
        ("paper:centre=on", "do not belong to Eq. 5"),
        ("magnitude:refit=cg", "without statistics there is nothing to refit"),
        (
            "adaptive:refit=cholesky",
            "refit=cholesky solves every output apart .*; use refit=exact, the best under that "
            "metric",
        ),
        ("magnitude:importance=on", "without statistics"),
        ("magnitude:centre=on", "without statistics"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(name: str, message: str):
    with pytest.raises(SettingError, match=f"^{name}: .*{message}"):
        method_named(name)


@pytest.mark.parametrize(
    "name",
    [
        "static:target=adaptive,inputs=sparse",
        "paper:heads=off,target=none",
        "magnitude:target=adaptive,refit=cg,centre=on",
        "paper:solver=blocked",
        "sequential:centre=on,refit=exact,importance=on",
        "wanda:refit=cg",
        "adaptive:refit=cholesky,importance=off",
        "sequential:refit=cholesky",
    ],
)
def test_settings_that_go_together_are_taken(name: str):
    assert method_named(name).calibrated


def test_an_unknown_solver_lists_those_there_are():
    with pytest.raises(
        SettingError,
        match="'admm' is unknown; choose one of joint, blocked, exact, wanda, magnitude",
    ):
        solver_named("admm")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sequential:residual=on", "residual=on belongs to target=adaptive"),
        ("sequential:steps=4", "steps belongs to refit=cg"),
        ("adaptive:steps=4,refit=none", "steps belongs to refit=cg"),
        ("paper:damping=0.05", "has a ridge of its own"),
        ("adaptive:solver=exact,rows=off", "works row by row, so rows stays on"),
        ("adaptive:refit=cg,refit=none", "'refit' of the method 'adaptive' is given twice"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(name: str, message: str):
    with pytest.raises(SettingError, match=message):
        method_named(name)

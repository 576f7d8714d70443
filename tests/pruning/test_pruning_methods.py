"""Methods by name, their settings, and what is refused."""

from dataclasses import fields, replace

import pytest

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning.methods import (
    METHODS,
    SETTINGS,
    SOLVER_NAMES,
    Method,
    canonical_name,
    method_named,
)
from prunescope.engine.pruning.solvers import SOLVERS, solver_named


@pytest.mark.parametrize("name", METHODS)
def test_every_name_gives_its_method(name: str):
    method = method_named(name)
    assert method is METHODS[name] and method.name == name
    assert method_named(f"{name}:") is method
    assert method.about.endswith(".") and method.source
    assert method.solver in SOLVERS
    assert tuple(SOLVERS) == SOLVER_NAMES


def test_what_the_methods_are():
    adaptive, p1, sparsegpt, static, wanda, magnitude = METHODS.values()
    assert list(METHODS) == [
        "adaptive",
        "p1",
        "sparsegpt",
        "sparsegpt-static",
        "wanda",
        "magnitude",
    ]
    assert (
        adaptive.solver,
        adaptive.target,
        adaptive.residual,
        adaptive.importance,
        adaptive.refit,
    ) == ("joint", "adaptive", True, True, "cg")
    assert (p1.solver, p1.target, p1.rows, p1.heads) == ("obc", "p1", True, True)
    assert (sparsegpt.solver, sparsegpt.target, sparsegpt.refit) == ("sparsegpt", "none", "none")
    assert sparsegpt == replace(
        static, name="sparsegpt", about=sparsegpt.about, source=sparsegpt.source, inputs="sparse"
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
    expected = method_named("adaptive:target=adaptive,alpha=0.5,refit=none,importance=off")
    assert expected.name == "adaptive:target=adaptive,alpha=0.5,refit=none,importance=off"
    assert (
        method_named("adaptive:importance=off, refit = none ,alpha=0.50,target=adaptive,")
        == expected
    )


@pytest.mark.parametrize("target", ["adaptive", "sparsegpt", "wanda"])
def test_obc_works_row_by_row(target: str):
    assert method_named(f"{target}:solver=obc").rows
    assert not method_named("adaptive:solver=sparsegpt").rows


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("sequential", "sparsegpt"),
        ("paper", "p1"),
        ("static", "sparsegpt-static"),
        ("paper:solver=blocked", "p1:solver=sparsegpt"),
        ("sequential:target=paper,refit=exact", "sparsegpt:target=p1,refit=exact"),
        ("adaptive: solver = exact ,steps=4", "adaptive:solver=obc,steps=4"),
    ],
)
def test_former_names_stay_as_aliases(alias: str, name: str):
    assert canonical_name(alias) == canonical_name(name) == name
    assert method_named(alias) == method_named(name) and method_named(alias).name == name


@pytest.mark.parametrize("name", ["", "later", "later:solver=magic", "adaptive:solver", "wanda:"])
def test_words_that_no_version_here_knows_stay_as_they_are(name: str):
    assert canonical_name(name) == name


@pytest.mark.parametrize("name", ["", "nope", "Adaptive", ":refit=cg", " adaptive"])
def test_an_unknown_method_lists_those_there_are(name: str):
    with pytest.raises(
        SettingError,
        match="is unknown; choose one of adaptive, p1, sparsegpt, sparsegpt-static, wanda, mag",
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
        ("target=eq5", "target=eq5 is unknown; choose one of none, p1, adaptive"),
        (
            "solver=admm",
            "solver=admm is unknown; choose one of joint, joint-grouped, sparsegpt, obc, wanda",
        ),
        ("alpha=1.5", "alpha=1.5 is not a number from 0 to 1"),
        ("alpha=-0.1", "alpha=-0.1 is not"),
        ("alpha=much", "alpha=much is not"),
        ("alpha=nan", "alpha=nan is not"),
        ("damping=0.2", "damping=0.2 is not a number from 0 to 0.1"),
        ("damping=auto", "damping=auto is not"),
        ("steps=0", "steps=0 is not a number from 1 to 100"),
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
        ("p1:inputs=dense", "inputs=dense knows no drift"),
        ("sparsegpt-static:target=adaptive", "inputs=dense knows no drift"),
        ("adaptive:heads=on", "heads=on belongs to target=p1"),
        ("p1:target=none", "heads=on belongs to target=p1"),
        ("sparsegpt:alpha=0.5", "alpha is the strength of target=adaptive"),
        ("p1:alpha=1", "alpha is the strength of target=adaptive"),
        ("p1:residual=on", "do not belong to Eq. 5"),
        ("p1:centre=on", "do not belong to Eq. 5"),
        ("magnitude:refit=cg", "without statistics there is nothing to refit"),
        (
            "adaptive:refit=cholesky",
            "refit=cholesky solves every output by itself .*; use refit=exact, the best under that "
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
        "sparsegpt-static:target=adaptive,inputs=sparse",
        "p1:heads=off,target=none",
        "magnitude:target=adaptive,refit=cg,centre=on",
        "p1:solver=sparsegpt",
        "sparsegpt:centre=on,refit=exact,importance=on",
        "wanda:refit=cg",
        "adaptive:refit=cholesky,importance=off",
        "sparsegpt:refit=cholesky",
    ],
)
def test_settings_that_go_together_are_taken(name: str):
    assert method_named(name).calibrated


def test_an_unknown_solver_lists_those_there_are():
    with pytest.raises(
        SettingError,
        match="'admm' is unknown; choose one of joint, joint-grouped, sparsegpt, obc, wanda",
    ):
        solver_named("admm")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sparsegpt:residual=on", "residual=on belongs to target=adaptive"),
        ("sparsegpt:steps=4", "steps belongs to refit=cg"),
        ("adaptive:steps=4,refit=none", "steps belongs to refit=cg"),
        ("p1:damping=0.05", "has a ridge of its own"),
        ("adaptive:solver=obc,rows=off", "works row by row, so rows stays on"),
        ("adaptive:refit=cg,refit=none", "'refit' of the method 'adaptive' is given twice"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(name: str, message: str):
    with pytest.raises(SettingError, match=message):
        method_named(name)

"""Plans: what they refuse, and that their identity names everything that decides the weights."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning.methods import (
    METHODS,
    SETTINGS,
    canonical_name,
    method_named,
    stored_name,
)
from prunescope.engine.pruning.patterns import NofM, Unstructured
from prunescope.engine.pruning.plan import LayerReport, Plan, Pruned
from prunescope.engine.store import key_of

OTHERS = {
    "solver": "sparsegpt",
    "inputs": "dense,target=none",
    "target": "none",
    "alpha": "0.5",
    "residual": "off",
    "centre": "on",
    "refit": "none",
    "steps": "6",
    "importance": "off",
    "damping": "0.02",
    "rows": "on",
    "heads": "on,target=p1,residual=off",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_enters_the_identity(setting: str):
    changed = Plan.named(f"adaptive:{setting}={OTHERS[setting]}").identity()
    plain = Plan.named("adaptive").identity()
    assert changed["method"][setting] != plain["method"][setting]
    assert key_of(changed) != key_of(plain)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "sparsegpt"},
        {"pattern": "2:4"},
        {"pattern": "row"},
        {"allocation": "uniform"},
        {"layers": "0=0"},
        {"precision": "bf16"},
        {"precision": "tf32"},
    ],
    ids=str,
)
def test_what_else_decides_the_weights_enters_the_identity(change: dict[str, str]):
    assert key_of(Plan.named(**{"method": "adaptive", **change}).identity()) != key_of(
        Plan.named("adaptive").identity()
    )


def test_what_does_not_decide_the_weights_does_not_enter():
    plain = Plan.named("adaptive").identity()
    assert Plan.named("adaptive", force=True).identity() == plain
    assert {"about", "source"}.isdisjoint(plain["method"])
    one, two = (
        Plan.named("adaptive", layers=given) for given in ("0=0.10,output=0.3", "output=.3,0=0.1")
    )
    assert one.identity() == two.identity()
    assert (
        Plan.named("adaptive:refit=none,alpha=0.5").identity()
        == Plan.named("adaptive:alpha=0.50,refit=none").identity()
    )


def test_the_content_of_a_file_of_layers_enters_not_its_name(tmp_path: Path):
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_text(json.dumps({"0": 0, "output": 0.3}))
    one, two = (
        Plan.named("adaptive", layers=str(tmp_path / name)).identity()
        for name in ("one.json", "two.json")
    )
    assert one == two == Plan.named("adaptive", layers="0=0,output=0.3").identity()


@pytest.mark.parametrize(
    ("method", "given", "pattern"),
    [
        ("wanda", "unstructured", Unstructured(True)),
        ("p1", "unstructured", Unstructured(True)),
        ("p1:rows=off,solver=sparsegpt", "unstructured", Unstructured()),
        ("adaptive", "unstructured", Unstructured()),
        ("adaptive", "row", Unstructured(True)),
        ("wanda", "2:4", NofM(2, 4)),
        ("adaptive:rows=on", "unstructured", Unstructured(True)),
    ],
)
def test_a_method_that_works_by_rows_spreads_its_zeros_over_rows(
    method: str, given: str, pattern: object
):
    assert Plan.named(method, given).pattern == pattern
    assert Plan.named(method_named(method), given) == Plan.named(method, given)


@pytest.mark.parametrize(
    ("method", "pattern", "allocation"),
    [
        ("adaptive", "unstructured", "loss-equalised"),
        ("adaptive", "row", "loss-equalised"),
        ("adaptive", "2:4", "uniform"),
        ("adaptive:importance=off", "unstructured", "loss-equalised"),
        ("sparsegpt", "unstructured", "uniform"),
        ("p1", "unstructured", "uniform"),
        ("magnitude", "unstructured", "uniform"),
        (
            "adaptive:solver=magnitude,target=none,residual=off,refit=none,importance=off",
            "unstructured",
            "uniform",
        ),
    ],
)
def test_the_allocation_is_the_methods_own_unless_asked_for(
    method: str, pattern: str, allocation: str
):
    assert Plan.named(method, pattern).allocation == allocation
    assert Plan.named(method, pattern, allocation="uniform").allocation == "uniform"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"allocation": "fair"}, "'fair' is unknown; choose auto, uniform or loss-equalised"),
        ({"precision": "fp16"}, "'fp16' is unknown; choose one of fp32, tf32, bf16"),
        (
            {"method": "magnitude", "allocation": "loss-equalised"},
            "method magnitude measures no loss to equalise",
        ),
        (
            {"pattern": "2:4", "allocation": "loss-equalised"},
            "2:4 fixes the sparsity of every layer; use `allocation=uniform`",
        ),
        ({"layers": "0"}, "0= is not a layer with a share"),
        ({"pattern": "odd"}, "'odd' is unknown"),
        ({"method": "odd"}, "'odd' is"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(change: dict[str, str], message: str):
    with pytest.raises(SettingError, match=message):
        Plan.named(**{"method": "adaptive", **change})


def test_achieved_is_a_share_of_all_weights():
    layers = tuple(
        LayerReport(name, weights, zeros, 0.5, 9, 4, 0.01, False, 0.0)
        for name, weights, zeros in (("0.query", 100, 50), ("0.output", 300, 0))
    )
    assert Pruned(None, 0.5, layers).achieved == 50 / 400  # type: ignore[arg-type]
    assert Plan(METHODS["adaptive"]).pattern == Unstructured()


def test_a_stored_name_keeps_the_solver_that_it_meant():
    former = "joint-grouped"
    for text in ("adaptive", "adaptive:solver=joint", "adaptive:refit=none,centre=on"):
        method, now = method_named(stored_name(text, "joint")), method_named(text)
        assert method.solver == former and now.solver == "joint"
        assert replace(method, name="", solver="") == replace(now, name="", solver="")
        assert stored_name(text, "joint-relaxed") == stored_name(text, None) == text
    assert stored_name("of_tomorrow:x=1", "joint") == f"of_tomorrow:solver={former},x=1"


BUNDLED = sorted((Path(__file__).parents[2] / "cache" / "bundled").rglob("studies/*/study.json"))
FORMER = {"p1": "paper", "sparsegpt": "sequential", "sparsegpt-static": "static"}


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.parent.name[:8])
def test_a_bundled_study_keeps_its_identity_under_every_name_of_its_method(path: Path):
    study = json.loads(path.read_text(encoding="utf-8"))["payload"]
    spec, stored = study["about"]["spec"], study["identity"]["plan"]
    settings = {name: spec[name] for name in ("pattern", "allocation", "layers", "precision")}
    canonical = canonical_name(spec["method"])
    base, colon, changes = canonical.partition(":")
    for name in (spec["method"], canonical, FORMER.get(base, base) + colon + changes):
        name = stored_name(name, stored["method"]["solver"])
        plan = Plan.named(name, **settings)
        # Since commit ba35c08, greedy choices are made in float64, which is another plan
        choices = {"choices": "float64"} if plan.method.greedy else {}
        assert plan.identity() == {**stored, **choices}


def test_there_are_bundled_studies_of_every_method():
    payloads = (json.loads(path.read_text(encoding="utf-8"))["payload"] for path in BUNDLED)
    methods = {canonical_name(payload["about"]["method"]).partition(":")[0] for payload in payloads}
    assert methods == set(METHODS)

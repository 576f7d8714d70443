"""One group of linears: its statistics, its target and its refit."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pruned_models import changed_parameters, output_error, same_weights
from small_models import write_model
from torch import Tensor

from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning import groups, layerwise
from prunescope.engine.pruning.methods import METHODS, Method, method_named
from prunescope.engine.pruning.pipeline import prune
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.pruning.statistics import Gram
from prunescope.engine.pruning.targets import Factor
from prunescope.engine.records import MODULES

InputsOf = Callable[[Victim, tuple[str, ...]], dict[str, Tensor]]
LAYERS = [f"{block}.{name}" for block in range(2) for name in MODULES]


def test_calibration_tokens_are_counted_without_padding(dense: Victim, sentences: tuple[str, ...]):
    pruned = prune(dense, sentences[:30], None, METHODS["sparsegpt"], 0.5)
    real = sum(len(dense.encode([text])["input_ids"][0]) for text in sentences[:30])
    assert {layer.tokens for layer in pruned.layers} == {real}


def test_pairs_reach_the_statistics(dense: Victim, sentences: tuple[str, ...]):
    pruned = prune(dense, sentences[:20], sentences[20:40], METHODS["sparsegpt"], 0.5)
    real = sum(map(len, dense.encode(sentences[:20], sentences[20:40])["input_ids"]))
    assert {layer.tokens for layer in pruned.layers} == {real}


def hessians(
    monkeypatch: pytest.MonkeyPatch,
    dense: Victim,
    texts: tuple[str, ...],
    name: str = "sparsegpt",
    sparsity: float = 1e-6,
) -> tuple[list[Tensor], Victim]:
    """H of every group in order, and the pruned victim."""
    found: list[Tensor] = []

    def spy(gram: Gram, method: Method) -> Factor:
        found.append(gram.hessian().double())
        return groups.factorise_statistics(gram, method)

    with monkeypatch.context() as patch:
        patch.setattr(layerwise, "factorise_statistics", spy)
        pruned = prune(dense, texts, None, method_named(name), sparsity)
    return found, pruned.victim


GROUPS = [
    f"{block}.{name}"
    for block in range(2)
    for name in ("query", "attention_output", "intermediate", "output")
]


@pytest.mark.parametrize(
    ("name", "sees"), [("sparsegpt-static", "dense"), ("sparsegpt", "pruned"), ("wanda", "pruned")]
)
def test_statistics_are_those_of_the_right_model_read_a_sentence_at_a_time(
    dense: Victim,
    sentences: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    inputs_of: InputsOf,
    name: str,
    sees: str,
):
    """static never learns that layers before were pruned; the others see the inputs that the pruned
    model has in the end.
    """
    found, pruned = hessians(monkeypatch, dense, sentences[:40], name, 0.7)
    inputs = {
        one: inputs_of(victim, sentences[:40])
        for one, victim in (("dense", dense), ("pruned", pruned))
    }
    assert len(found) == len(GROUPS)
    for layer, hessian in zip(GROUPS, found, strict=True):
        own, other = (
            inputs[one][layer] for one in (sees, "dense" if sees == "pruned" else "pruned")
        )
        assert torch.allclose(hessian, own.T @ own / len(own), rtol=1e-4, atol=1e-5), layer
        if layer != "0.query":
            assert not torch.allclose(
                hessian, other.T @ other / len(other), rtol=1e-2, atol=1e-3
            ), layer


def test_statistics_do_not_depend_on_how_the_tokens_are_cut(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    whole, _ = hessians(monkeypatch, dense, sentences[:60])
    monkeypatch.setattr(layerwise, "device_tokens", lambda _device: 50)
    cut, _ = hessians(monkeypatch, dense, sentences[:60])
    assert len(cut) == len(whole) == 8
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(whole, cut, strict=True))


@pytest.mark.parametrize("name", ["sparsegpt", "adaptive:refit=none"])
def test_damping_of_a_method_is_the_damping_used(
    dense: Victim, sentences: tuple[str, ...], name: str
):
    setting = f"{name},damping=0.05" if ":" in name else f"{name}:damping=0.05"
    assert {
        layer.damping
        for layer in prune(dense, sentences[:40], None, method_named(setting), 0.5).layers
    } == {0.05}


def test_better_methods_come_nearer_to_the_dense_model(
    dense: Victim, halves: dict[str, Pruned], sentences: tuple[str, ...]
):
    errors = {
        name: output_error(dense, pruned.victim, sentences) for name, pruned in halves.items()
    }
    assert errors["adaptive"] < errors["p1"] < errors["sparsegpt"] < errors["wanda"]
    assert errors["sparsegpt-static"] < errors["wanda"] < errors["magnitude"]


def test_correction_pays_without_a_refit_too(dense: Victim, sentences: tuple[str, ...]):
    corrected, plain = (
        prune(dense, sentences, None, method_named(f"sparsegpt:target={target}"), 0.5).victim
        for target in ("adaptive", "none")
    )
    assert output_error(dense, corrected, sentences) < output_error(dense, plain, sentences)


@pytest.mark.parametrize("settings", ["", ",centre=on", ",residual=off"])
def test_survivors_minimise_the_distance_to_the_dense_output(
    dense: Victim, sentences: tuple[str, ...], inputs_of: InputsOf, settings: str
):
    """∇ of ‖W X_d + b + R_d − Ŵ X_s − b̂ − R_s‖²/n + ‖(Ŵ − W) Λ^½‖² is zero wherever a weight
    survived, in every layer.
    """
    method = method_named(f"adaptive:alpha=1,refit=cholesky,importance=off{settings}")
    pruned = prune(dense, sentences[:60], None, method, 0.5).victim
    old, new = inputs_of(dense, sentences[:60]), inputs_of(pruned, sentences[:60])
    for name, found in pruned.prunable().items():
        weight, solved, x_old, x_new = (
            dense.prunable()[name].double(),
            found.double(),
            old[name],
            new[name],
        )
        block, module = name.split(".")
        feeder = (
            {"attention_output": "query", "output": "intermediate"}.get(module)
            if method.residual
            else None
        )
        residual = old[f"{block}.{feeder}"] - new[f"{block}.{feeder}"] if feeder else 0.0
        error = x_old @ weight.T + residual - x_new @ solved.T
        if method.centre:
            x_new, error = x_new - x_new.mean(dim=0), error - error.mean(dim=0)
        hessian = x_new.T @ x_new / len(x_new)
        ridge = method.damping * hessian.diagonal().mean()
        slope = error.T @ x_new / len(x_new) - ridge * (solved - weight)
        assert float((slope * (found != 0)).norm()) < 1e-4 * float((weight @ hessian).norm()), name


def test_centring_repairs_the_mean_of_every_output(
    dense: Victim, sentences: tuple[str, ...], inputs_of: InputsOf
):
    """Means over calibration tokens of W x_d + b (+ r_d) and Ŵ x_s + b̂ (+ r_s) are equal; without
    centring they are not.
    """
    gaps = {}
    for setting in ("on", "off"):
        method = method_named(f"adaptive:alpha=0.5,importance=off,centre={setting}")
        pruned = prune(dense, sentences[:60], None, method, 0.6).victim
        old, new = inputs_of(dense, sentences[:60]), inputs_of(pruned, sentences[:60])
        before, after = dense.linears(), pruned.linears()
        for block in range(2):
            for module in MODULES:
                key, feeder = (
                    f"{block}.{module}",
                    {"attention_output": "query", "output": "intermediate"}.get(module),
                )
                one, other = before[key].module, after[key].module
                expected = (
                    old[key].mean(dim=0) @ one.weight.detach().double().T
                    + one.bias.detach().double()
                )
                found = (
                    new[key].mean(dim=0) @ other.weight.detach().double().T
                    + other.bias.detach().double()
                )
                if feeder:
                    expected, found = (
                        expected + old[f"{block}.{feeder}"].mean(dim=0),
                        found + new[f"{block}.{feeder}"].mean(dim=0),
                    )
                gaps[setting, key] = float((expected - found).norm() / expected.norm())
    assert max(gap for (setting, _), gap in gaps.items() if setting == "on") < 1e-5
    assert min(gap for (setting, _), gap in gaps.items() if setting == "off") > 1e-3


def test_the_papers_target_reaches_the_solver(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, inputs_of: InputsOf
):
    """Before it is pruned, each layer's target is Eq. 5 on the pruned model's inputs."""
    targets: list[Tensor] = []
    real = groups.solver_named
    monkeypatch.setattr(
        groups,
        "solver_named",
        lambda name: lambda problem: targets.append(problem.target.double()) or real(name)(problem),
    )
    pruned = prune(dense, sentences[:80], None, method_named("p1:solver=sparsegpt"), 0.5).victim
    old, new = inputs_of(dense, sentences[:80]), inputs_of(pruned, sentences[:80])
    for layer, found in zip(LAYERS, targets, strict=True):
        x_new, goal = new[layer], old[layer] @ dense.prunable()[layer].double().T
        system = x_new.T @ x_new + 1e-4 * torch.eye(x_new.shape[1], dtype=torch.float64)
        expected = torch.linalg.solve(system, x_new.T @ goal).T
        # compared by what they put out: where inputs hardly vary, single precision leaves the
        # weights undecided
        assert float(((found - expected) @ x_new.T).norm() / goal.norm()) < 1e-3, layer


def test_the_papers_heads_are_its_equation_on_cls(dense: Victim, sentences: tuple[str, ...]):
    pruned = prune(dense, sentences[:80], None, METHODS["p1"], 0.5).victim
    x_old, x_new = (v.read(sentences[:80])[1].double() for v in (dense, pruned))
    for linear, old in (
        (pruned.model.bert.pooler.dense, dense.model.bert.pooler.dense),
        (pruned.model.classifier, dense.model.classifier),
    ):
        goal = x_old @ old.weight.detach().double().T
        system = x_new.T @ x_new + 1e-4 * torch.eye(32, dtype=torch.float64)
        expected = torch.linalg.solve(system, x_new.T @ goal).T
        assert (
            float(((linear.weight.detach().double() - expected) @ x_new.T).norm() / goal.norm())
            < 1e-3
        )
        assert torch.equal(linear.bias, old.bias)
        with torch.no_grad():
            x_old, x_new = (
                torch.tanh(m.double()(x))
                for x, m in ((x_old, copy.deepcopy(old)), (x_new, copy.deepcopy(linear)))
            )


def test_heads_off_leaves_the_heads_and_the_same_encoder(
    dense: Victim, sentences: tuple[str, ...], halves: dict[str, Pruned]
):
    without = prune(dense, sentences, None, method_named("p1:heads=off"), 0.5).victim
    assert changed_parameters(dense, without) == set()
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            without.prunable().values(), halves["p1"].victim.prunable().values(), strict=True
        )
    )


def test_first_group_has_nothing_to_correct(halves: dict[str, Pruned]):
    layers = halves["adaptive"].layers
    assert [layer.alpha for layer in layers[:3]] == [0.0, 0.0, 0.0]
    assert all(0 < layer.alpha <= 1 for layer in layers[3:])
    assert {
        layer.alpha
        for name in ("sparsegpt", "sparsegpt-static", "wanda")
        for layer in halves[name].layers
    } == {0.0}


def test_alpha_given_is_the_alpha_used(dense: Victim, sentences: tuple[str, ...]):
    pruned = prune(dense, sentences[:60], None, method_named("adaptive:alpha=0.3"), 0.5)
    assert {layer.alpha for layer in pruned.layers[3:]} == {0.3}


def test_residual_drift_changes_what_feeds_the_residual(dense: Victim, sentences: tuple[str, ...]):
    with_it, without = (
        prune(
            dense, sentences[:60], None, method_named(f"adaptive:alpha=1,residual={residual}"), 0.5
        ).victim.prunable()
        for residual in ("on", "off")
    )
    found = [
        name
        for name in with_it
        if not torch.allclose(with_it[name], without[name], rtol=1e-3, atol=1e-3)
    ]
    # the first block's input has no drift, so its attention output is the same
    assert found[0] == "0.output"


def test_residual_drift_counts_where_the_layer_that_feeds_it_is_narrow_too(
    sentences: tuple[str, ...], tmp_path: Path
):
    narrow = load_victim(str(write_model(tmp_path / "narrow", intermediate_size=16)), "cpu")
    with_it, without = (
        prune(
            narrow, sentences[:60], None, method_named(f"adaptive:alpha=1,residual={residual}"), 0.5
        ).victim.prunable()
        for residual in ("on", "off")
    )
    assert not torch.allclose(with_it["0.output"], without["0.output"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "setting",
    [
        "importance=off",
        "refit=none",
        "refit=exact",
        "steps=1",
        "alpha=0.2",
        "centre=on",
        "solver=sparsegpt",
        "solver=obc",
        "damping=0.1",
        "rows=on",
        "target=none",
    ],
)
def test_every_setting_changes_the_weights(
    dense: Victim, sentences: tuple[str, ...], halves: dict[str, Pruned], setting: str
):
    made = prune(dense, sentences, None, method := method_named(f"adaptive:{setting}"), 0.5)
    # a row rounds down to a weight
    assert made.achieved == (pytest.approx(0.5, abs=0.02) if method.rows else 0.5)
    assert not same_weights(made.victim, halves["adaptive"].victim)

"""The whole pruner on a tiny victim: exact zeros, what it leaves alone, and whether the correction
pays.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_models import write_model
from torch import Tensor

from prunescope.engine.errors import InterruptedStudy, ModelError, SettingError
from prunescope.engine.models.fingerprint import fingerprint_of, weights_sha256
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning import layerwise, memory, pipeline
from prunescope.engine.pruning.allocation import SPREAD
from prunescope.engine.pruning.importance import measure_importance
from prunescope.engine.pruning.memory import (
    container_rooms,
    free_bytes,
    level_bytes,
    levels_at_once,
    out_of_memory,
)
from prunescope.engine.pruning.methods import METHODS, Method, method_named
from prunescope.engine.pruning.obc import exact
from prunescope.engine.pruning.pipeline import Kept, prune, prune_levels
from prunescope.engine.pruning.plan import Plan, Pruned
from prunescope.engine.pruning.solvers import Problem
from prunescope.engine.pruning.statistics import Gram
from prunescope.engine.pruning.targets import Factor
from prunescope.engine.records import MODULES

InputsOf = Callable[[Victim, tuple[str, ...]], dict[str, Tensor]]
LAYERS = [f"{block}.{name}" for block in range(2) for name in MODULES]
CALIBRATED = [name for name, method in METHODS.items() if method.calibrated]


@pytest.fixture(scope="module")
def halves(dense: Victim, sentences: tuple[str, ...]) -> dict[str, Pruned]:
    """The victim at 50 % by every method."""
    return {name: prune(dense, sentences, None, method, 0.5) for name, method in METHODS.items()}


def zeros(tensor: Tensor) -> int:
    return int((tensor == 0).sum())


def same_weights(first: Victim, second: Victim) -> bool:
    return weights_sha256(first.model) == weights_sha256(second.model)


# Zeros, and what is left alone


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.613, 0.9])
def test_zeros_of_every_layer_are_exact(
    dense: Victim, sentences: tuple[str, ...], name: str, sparsity: float
):
    pruned = prune(dense, sentences[:40], None, Plan.named(name, allocation="uniform"), sparsity)
    for layer in pruned.layers:
        weight = pruned.victim.prunable()[layer.layer]
        assert zeros(weight) == layer.zeros
        if METHODS[name].rows:
            assert set((weight == 0).sum(dim=1).tolist()) == {
                int(weight.shape[1] * sparsity + 1e-9)
            }
        else:
            assert layer.zeros == math.floor(weight.numel() * sparsity + 0.5)


@pytest.mark.parametrize("name", [*METHODS, "adaptive:refit=exact,centre=on"])
@pytest.mark.parametrize("pattern", ["2:4", "1:4", "4:8"])
def test_groups_are_kept_in_every_layer(
    dense: Victim, sentences: tuple[str, ...], name: str, pattern: str
):
    plan = Plan.named(name, pattern)
    pruned = prune(dense, sentences[:40], None, plan, plan.pattern.sparsity)  # type: ignore[union-attr]
    n, m = map(int, pattern.split(":"))
    for weight in pruned.victim.prunable().values():
        assert (weight.view(-1, m) == 0).sum(dim=1).unique().tolist() == [m - n]


def test_report_covers_every_layer_in_order(dense: Victim, halves: dict[str, Pruned]):
    for name, pruned in halves.items():
        assert [layer.layer for layer in pruned.layers] == LAYERS
        assert sum(layer.weights for layer in pruned.layers) == sum(
            w.numel() for w in dense.prunable().values()
        )
        assert METHODS[name].allocation != "uniform" or {
            layer.requested for layer in pruned.layers
        } == {0.5}
        assert pruned.achieved == 0.5
        assert [layer.inputs for layer in pruned.layers] == [
            weight.shape[1] for weight in dense.prunable().values()
        ]
        assert all((layer.tokens > 0) == METHODS[name].calibrated for layer in pruned.layers)
        damping = 0.01 if METHODS[name].factored else 0.0
        assert (
            all(layer.damping == damping and not layer.raised for layer in pruned.layers)
            or name == "p1"
        )


def test_achieved_is_the_share_of_zeros_in_the_model(halves: dict[str, Pruned]):
    weights = list(halves["adaptive"].victim.prunable().values())
    assert (
        halves["adaptive"].achieved
        == sum(map(zeros, weights)) / sum(w.numel() for w in weights)
        == 0.5
    )


@pytest.mark.parametrize("name", METHODS)
def test_given_victim_is_left_alone(dense: Victim, halves: dict[str, Pruned], name: str):
    assert fingerprint_of(dense.model, dense.tokenizer) == dense.fingerprint
    assert all(
        parameter.grad is None and parameter.requires_grad for parameter in dense.model.parameters()
    )
    assert weights_sha256(halves[name].victim.model) != dense.fingerprint


def changed(dense: Victim, pruned: Victim) -> set[str]:
    """Names in the state of the model that differ, those of prunable weights left out."""
    ours = {weight.data_ptr() for weight in pruned.prunable().values()}
    before = dense.model.state_dict()
    after = pruned.model.state_dict()
    others = [key for key, value in after.items() if value.data_ptr() not in ours]
    assert len(after) - len(others) == 12 and list(before) == list(after)
    return {key for key in others if not torch.equal(before[key], after[key])}


@pytest.mark.parametrize("name", METHODS)
def test_only_prunable_weights_change_and_for_the_paper_the_head(
    dense: Victim, halves: dict[str, Pruned], name: str
):
    heads = {"bert.pooler.dense.weight", "classifier.weight"} if name == "p1" else set()
    assert changed(dense, halves[name].victim) == heads


def test_centring_changes_the_biases_of_pruned_layers_and_nothing_else(
    dense: Victim, sentences: tuple[str, ...]
):
    plan = Plan.named("sparsegpt:centre=on", layers="0=0,value=0")
    found = changed(dense, prune(dense, sentences[:40], None, plan, 0.5).victim)
    assert len(found) == 5 and all(
        name.startswith("bert.encoder.layer.1.") and name.endswith(".bias") for name in found
    )


@pytest.mark.parametrize("name", METHODS)
def test_same_inputs_give_the_same_bytes(dense: Victim, sentences: tuple[str, ...], name: str):
    first = prune(dense, sentences[:60], None, METHODS[name], 0.7).victim
    torch.manual_seed(99)  # the state of the process does not matter
    assert same_weights(first, prune(dense, sentences[:60], None, METHODS[name], 0.7).victim)


@pytest.mark.parametrize("name", METHODS)
def test_sparsity_zero_gives_an_equal_model_of_its_own(
    dense: Victim, sentences: tuple[str, ...], name: str
):
    pruned = prune(dense, sentences, None, METHODS[name], 0.0)
    assert fingerprint_of(pruned.victim.model, pruned.victim.tokenizer) == dense.fingerprint
    assert pruned.achieved == 0.0
    assert pruned.victim.model is not dense.model


@pytest.mark.parametrize("name", METHODS)
def test_pruned_weights_can_be_trained(halves: dict[str, Pruned], name: str):
    victim = halves[name].victim
    loss = (
        victim.model(**victim.tokenizer("a good film", return_tensors="pt")).logits.square().sum()
    )
    weights = [
        linear.weight
        for block in victim.family.blocks(victim.model)
        for linear in block.linears.values()
    ]
    assert all(
        isinstance(weight, torch.nn.Parameter) and weight.requires_grad for weight in weights
    )
    assert all(bool(gradient.any()) for gradient in torch.autograd.grad(loss, weights[:3]))


# Shares of layers


@pytest.mark.parametrize("name", METHODS)
def test_layers_left_out_are_untouched_to_the_bit(
    dense: Victim, sentences: tuple[str, ...], name: str
):
    plan = Plan.named(name, allocation="uniform", layers="0.output=0,query=0,1.key=0.25")
    pruned = prune(dense, sentences[:40], None, plan, 0.5)
    before, after = dense.prunable(), pruned.victim.prunable()
    assert {layer for layer in LAYERS if torch.equal(before[layer], after[layer])} == {
        "0.output",
        "0.query",
        "1.query",
    }
    assert {layer.layer: layer.zeros / layer.weights for layer in pruned.layers} == {
        layer: 0.0
        if layer in ("0.output", "0.query", "1.query")
        else 0.25
        if layer == "1.key"
        else 0.5
        for layer in LAYERS
    }
    assert [layer.requested for layer in pruned.layers] == [
        layer.zeros / layer.weights for layer in pruned.layers
    ]


def test_a_whole_block_may_be_left_out(dense: Victim, sentences: tuple[str, ...]):
    pruned = prune(dense, sentences[:40], None, Plan.named("adaptive", layers="0=0"), 0.5)
    assert [layer.zeros > 0 for layer in pruned.layers] == [False] * 6 + [True] * 6
    alone = {layer.layer: layer.alpha for layer in pruned.layers}
    assert (
        alone["1.query"] == 0.0 and alone["1.output"] > 0
    )  # where nothing was pruned before there is nothing to correct


@pytest.mark.parametrize("name", CALIBRATED)
def test_equal_loss_meets_the_level(dense: Victim, sentences: tuple[str, ...], name: str):
    pruned = prune(dense, sentences[:60], None, Plan.named(name, allocation="loss-equalised"), 0.6)
    if METHODS[name].rows:
        assert pruned.achieved == pytest.approx(0.6, abs=0.03)  # a row rounds down to a weight
    else:
        weights = sum(layer.weights for layer in pruned.layers)
        assert sum(layer.zeros for layer in pruned.layers) == math.floor(0.6 * weights + 0.5)
    shares = [layer.requested for layer in pruned.layers]
    assert max(shares) - min(shares) > 0.02 and all(
        0 <= share <= 1 - 0.4 / SPREAD + 1e-3 for share in shares
    )
    rows = {
        layer.layer: weight.shape
        for layer, weight in zip(pruned.layers, dense.prunable().values(), strict=True)
    }
    plan = Plan.named(name)
    assert [layer.zeros for layer in pruned.layers] == [
        plan.pattern.zeros(*rows[layer.layer], layer.requested) for layer in pruned.layers
    ]


# Bad input


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, math.nan])
def test_sparsity_outside_its_range_is_an_error(
    dense: Victim, sentences: tuple[str, ...], sparsity: float
):
    with pytest.raises(SettingError, match="outside"):
        prune(dense, sentences, None, METHODS["magnitude"], sparsity)
    with pytest.raises(SettingError, match="outside"):  # at once, not when the level's turn comes
        prune_levels(dense, sentences, None, METHODS["magnitude"], (0.5, sparsity))


@pytest.mark.parametrize("name", CALIBRATED)
def test_empty_calibration_is_an_error(dense: Victim, name: str):
    with pytest.raises(SettingError, match=f"'{name}' needs calibration text"):
        prune_levels(dense, [], None, METHODS[name], (0.5,))


def test_magnitude_needs_no_calibration(dense: Victim, halves: dict[str, Pruned]):
    alone = prune(dense, [], None, METHODS["magnitude"], 0.5)
    assert same_weights(alone.victim, halves["magnitude"].victim)


def text_of(
    dense: Victim, sentences: tuple[str, ...], low: int, high: int
) -> tuple[tuple[str, ...], int]:
    """As many sentences as have between `low` and `high` tokens, and how many they have."""
    found, tokens = [], 0
    for text in sentences:
        more = len(dense.encode([text])["input_ids"][0])
        if tokens + more < high:
            found, tokens = [*found, text], tokens + more
    assert low <= tokens < high
    return tuple(found), tokens


@pytest.mark.parametrize(
    "name", ["adaptive", "p1", "sparsegpt", "sparsegpt-static", "magnitude:target=adaptive"]
)
def test_less_than_a_token_an_input_is_refused_or_forced(
    dense: Victim, sentences: tuple[str, ...], name: str
):
    texts, tokens = text_of(dense, sentences, 50, 64)
    with pytest.raises(
        SettingError,
        match=rf"^{tokens} calibration tokens are 0\.\d\d for each of the 64 inputs of layer "
        rf"0.output; below one .* --force it",
    ):
        prune(dense, texts, None, Plan.named(name), 0.5)
    forced = prune(dense, texts, None, Plan.named(name, force=True), 0.5)
    assert forced.achieved == 0.5 and all(
        bool(w.isfinite().all()) for w in forced.victim.prunable().values()
    )
    assert len(forced.notices) == 1 and forced.notices[0].startswith(f"{tokens} calibration tokens")


@pytest.mark.parametrize(
    ("low", "high", "noticed"), [(64, 80, True), (180, 192, True), (192, 206, False)]
)
def test_less_than_three_tokens_an_input_is_noticed(
    dense: Victim, sentences: tuple[str, ...], low: int, high: int, noticed: bool
):
    texts, tokens = text_of(dense, sentences, low, high)
    notices = prune(dense, texts, None, METHODS["sparsegpt"], 0.5).notices
    assert len(notices) == noticed
    assert all(
        f"{tokens} calibration tokens are {tokens / 64:.2f} for" in said and "below about 3" in said
        for said in notices
    )


@pytest.mark.parametrize("name", ["wanda", "magnitude"])
def test_norms_of_inputs_need_few_tokens(dense: Victim, sentences: tuple[str, ...], name: str):
    assert prune(dense, sentences[:1], None, METHODS[name], 0.5).notices == ()


def test_a_refit_needs_tokens_whatever_chose_the_weights(dense: Victim, sentences: tuple[str, ...]):
    with pytest.raises(SettingError, match="below one the statistics are singular"):
        prune(dense, sentences[:1], None, method_named("wanda:refit=cg"), 0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", METHODS)
def test_weights_that_are_not_finite_are_refused_by_name(
    dense: Victim, sentences: tuple[str, ...], name: str, value: float
):
    broken = dense.copy()
    broken.prunable()["1.intermediate"][3, 4] = value
    with pytest.raises(
        ModelError, match=f"Layer 1.intermediate of {dense.name} contains NaN or Inf"
    ):
        prune_levels(broken, sentences, None, METHODS[name], (0.0,))


def test_groups_that_do_not_divide_a_width_are_refused(dense: Victim, sentences: tuple[str, ...]):
    with pytest.raises(SettingError, match=r"2:5 does not divide the 32 inputs of layer 0\.query"):
        prune_levels(dense, sentences, None, Plan.named("adaptive", "2:5"), (0.0, 0.6))
    with pytest.raises(SettingError, match=r"2:4 has a sparsity of 0\.5 and cannot reach 0\.6"):
        prune_levels(dense, sentences, None, Plan.named("adaptive", "2:4"), (0.0, 0.6))


def test_unknown_layers_are_refused(dense: Victim, sentences: tuple[str, ...]):
    with pytest.raises(SettingError, match="no layer '7'"):
        prune_levels(dense, sentences, None, Plan.named("magnitude", layers="7=0"), (0.5,))


# Statistics


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
        return layerwise.damped(gram, method)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "damped", spy)
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
    monkeypatch.setattr(pipeline, "STREAM", 50)
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


# Targets and survivors


def output_error(dense: Victim, pruned: Victim, texts: tuple[str, ...]) -> float:
    """‖last hidden state, dense − pruned‖² over the real tokens."""
    total = 0.0
    for stream in dense.streams(texts):
        mask = stream.inputs["attention_mask"].bool()
        with torch.no_grad():
            wanted, found = (
                v.model.bert(**stream.inputs).last_hidden_state[mask].double()
                for v in (dense, pruned)
            )
        total += float((wanted - found).square().sum())
    return total


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
        for block, (before, after) in enumerate(
            zip(*(v.family.blocks(v.model) for v in (dense, pruned)), strict=True)
        ):
            for module in MODULES:
                key, feeder = (
                    f"{block}.{module}",
                    {"attention_output": "query", "output": "intermediate"}.get(module),
                )
                one, other = before.linears[module], after.linears[module]
                wanted = (
                    old[key].mean(dim=0) @ one.weight.detach().double().T
                    + one.bias.detach().double()
                )
                found = (
                    new[key].mean(dim=0) @ other.weight.detach().double().T
                    + other.bias.detach().double()
                )
                if feeder:
                    wanted, found = (
                        wanted + old[f"{block}.{feeder}"].mean(dim=0),
                        found + new[f"{block}.{feeder}"].mean(dim=0),
                    )
                gaps[setting, key] = float((wanted - found).norm() / wanted.norm())
    assert max(gap for (setting, _), gap in gaps.items() if setting == "on") < 1e-5
    assert min(gap for (setting, _), gap in gaps.items() if setting == "off") > 1e-3


def test_the_papers_target_reaches_the_solver(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, inputs_of: InputsOf
):
    """Before it is pruned, each layer's target is Eq. 5 on the pruned model's inputs."""
    targets: list[Tensor] = []
    real = layerwise.solver_named
    monkeypatch.setattr(
        layerwise,
        "solver_named",
        lambda name: lambda problem: targets.append(problem.target.double()) or real(name)(problem),
    )
    pruned = prune(dense, sentences[:80], None, method_named("p1:solver=sparsegpt"), 0.5).victim
    old, new = inputs_of(dense, sentences[:80]), inputs_of(pruned, sentences[:80])
    for layer, found in zip(LAYERS, targets, strict=True):
        x_new, goal = new[layer], old[layer] @ dense.prunable()[layer].double().T
        system = x_new.T @ x_new + 1e-4 * torch.eye(x_new.shape[1], dtype=torch.float64)
        wanted = torch.linalg.solve(system, x_new.T @ goal).T
        # compared by what they put out: where inputs hardly vary, single precision leaves the
        # weights undecided
        assert float(((found - wanted) @ x_new.T).norm() / goal.norm()) < 1e-3, layer


def test_the_papers_heads_are_its_equation_on_cls(dense: Victim, sentences: tuple[str, ...]):
    pruned = prune(dense, sentences[:80], None, METHODS["p1"], 0.5).victim
    x_old, x_new = (v.read(sentences[:80])[1].double() for v in (dense, pruned))
    for linear, old in (
        (pruned.model.bert.pooler.dense, dense.model.bert.pooler.dense),
        (pruned.model.classifier, dense.model.classifier),
    ):
        goal = x_old @ old.weight.detach().double().T
        system = x_new.T @ x_new + 1e-4 * torch.eye(32, dtype=torch.float64)
        wanted = torch.linalg.solve(system, x_new.T @ goal).T
        assert (
            float(((linear.weight.detach().double() - wanted) @ x_new.T).norm() / goal.norm())
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
    assert changed(dense, without) == set()
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
    assert (
        found[0] == "0.output"
    )  # the first block's input has no drift, so its attention output is the same


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
    assert made.achieved == (
        pytest.approx(0.5, abs=0.02) if method.rows else 0.5
    )  # a row rounds down to a weight
    assert not same_weights(made.victim, halves["adaptive"].victim)


# Precision of the statistics and the solver


def problems_of(
    monkeypatch: pytest.MonkeyPatch, dense: Victim, texts: tuple[str, ...], name: str
) -> tuple[list[Problem], Victim]:
    """What the solver was given for every layer at 50 %, and the pruned victim."""
    seen: list[Problem] = []
    real = layerwise.solver_named
    with monkeypatch.context() as patch:
        patch.setattr(
            layerwise,
            "solver_named",
            lambda name: lambda problem: seen.append(problem) or real(name)(problem),
        )
        return seen, prune(dense, texts, None, method_named(name), 0.5).victim


@pytest.mark.parametrize(
    "name",
    ["p1", "adaptive:solver=obc", "p1:solver=sparsegpt", "adaptive:solver=obc,centre=on"],
)
def test_a_small_pivot_is_met_in_double_from_the_sums_on(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr(
        "prunescope.engine.pruning.targets.LEAST_PIVOT", 1.0
    )  # every layer is below
    seen, pruned = problems_of(monkeypatch, dense, sentences[:60], name)
    kinds = {
        tensor.dtype
        for one in seen
        for tensor in (one.target, one.factor.upper, one.factor.hessian, one.power)
    }
    assert kinds == {torch.float64} and len(seen) == len(LAYERS)
    assert {parameter.dtype for parameter in pruned.model.parameters()} == {torch.float32}
    single = [
        hessian
        for hessian in (one.factor.hessian for one in seen)
        if torch.equal(hessian, hessian.float().double())
    ]
    assert not single  # not sums in single precision that were widened afterwards


@pytest.mark.parametrize(
    "name", ["adaptive", "sparsegpt", "sparsegpt-static", "wanda", "sparsegpt:target=adaptive"]
)
def test_methods_that_are_not_greedy_stay_in_single_precision(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr("prunescope.engine.pruning.targets.LEAST_PIVOT", 1.0)
    seen, _ = problems_of(monkeypatch, dense, sentences[:60], name)
    assert {one.target.dtype for one in seen} == {torch.float32}


def test_the_papers_masks_are_those_of_double_precision(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, inputs_of: InputsOf
):
    """Eq. 5 and the greedy choice, all in float64 from a plain reading of the models, leave the
    same weights in every layer.
    """
    seen, pruned = problems_of(monkeypatch, dense, sentences[:80], "p1")
    assert any(one.target.dtype == torch.float64 for one in seen)
    old, new = inputs_of(dense, sentences[:80]), inputs_of(pruned, sentences[:80])
    for layer, given in zip(LAYERS, seen, strict=True):
        x_new, goal = new[layer], old[layer] @ dense.prunable()[layer].double().T
        system = x_new.T @ x_new + 1e-4 * torch.eye(x_new.shape[1], dtype=torch.float64)
        inverse = torch.linalg.inv(system)
        target = (inverse @ (x_new.T @ goal)).T
        wanted = exact(target, (inverse + inverse.T) / 2, x_new.shape[1] // 2)
        assert torch.equal(pruned.prunable()[layer] == 0, wanted == 0), layer
        if given.target.dtype == torch.float64:
            assert torch.allclose(given.target, target, rtol=1e-4, atol=1e-4), layer


# Zeros that a model was given with


@pytest.fixture(scope="module")
def sparse(dense: Victim) -> Victim:
    """A victim that somebody pruned before, to 70 % in every layer."""
    return prune(dense, [], None, METHODS["magnitude"], 0.7).victim


def zeros_of(victim: Victim) -> dict[str, Tensor]:
    return {layer: weight == 0 for layer, weight in victim.prunable().items()}


@pytest.mark.parametrize(
    "name", [*METHODS, "adaptive:refit=none", "adaptive:refit=exact", "adaptive:solver=sparsegpt"]
)
@pytest.mark.parametrize("level", [0.3, 0.5])
def test_no_weight_comes_back_where_a_model_has_more_zeros_than_asked_for(
    sparse: Victim, sentences: tuple[str, ...], name: str, level: float
):
    made = prune(sparse, sentences[:60], None, Plan.named(name, "unstructured", "uniform"), level)
    memory_of_each = {
        weight.untyped_storage().data_ptr() for weight in made.victim.prunable().values()
    }
    assert len(memory_of_each) == len(LAYERS)  # or they could not be saved
    if METHODS[
        name.partition(":")[0]
    ].rows:  # zeros of a row are its own: rows with fewer than their share are solved
        assert made.achieved >= level
        return
    assert all(
        torch.equal(now, zeros_of(sparse)[layer]) for layer, now in zeros_of(made.victim).items()
    )
    assert len(made.notices) == 1 and made.notices[0].startswith(
        "The model has 70.0 % zeros as it was given. "
    )
    assert made.notices[0].endswith(
        f"this level has 70.0 % where {100 * level:g} % were asked for."
    )


def test_the_default_keeps_what_a_sparser_model_saves(sparse: Victim, sentences: tuple[str, ...]):
    """With sparsity by equal loss too, no level has fewer zeros than the model was given with."""
    levels = list(
        prune_levels(sparse, sentences[:60], None, METHODS["adaptive"], (0.3, 0.5, 0.7, 0.9))
    )
    own = sum(map(zeros, sparse.prunable().values())) / sum(
        weight.numel() for weight in sparse.prunable().values()
    )
    for made in levels:
        assert made.achieved >= max(own, made.sparsity) - 1e-9
        filled = sum(
            int((weight[zeros_of(sparse)[layer]] != 0).sum())
            for layer, weight in made.victim.prunable().items()
        )
        told_of = [said for said in made.notices if "hold weights again" in said]
        assert len(told_of) == (filled > 12)  # a thousandth of the weights
        assert (
            not told_of
            or f"it had 70.0 % zeros, this level has {100 * made.achieved:.1f} %" in told_of[0]
        )


def test_a_pattern_that_moves_zeros_says_so(sparse: Victim, sentences: tuple[str, ...]):
    made = prune(sparse, sentences[:60], None, Plan.named("adaptive", "2:4"), 0.5)
    filled = sum(
        int((weight[zeros_of(sparse)[layer]] != 0).sum())
        for layer, weight in made.victim.prunable().items()
    )
    assert filled > 0 and made.achieved == 0.5
    own = sum(map(zeros, sparse.prunable().values()))
    assert made.notices[-1] == (
        f"Of the zeros that the model was given with, {100 * filled / own:.1f} % hold weights "
        "again, as other weights were "
        "removed: it had 70.0 % zeros, this level has 50.0 %."
    )
    again = prune(made.victim, sentences[:60], None, Plan.named("adaptive", "2:4"), 0.5)
    assert not any("hold weights" in said for said in again.notices)
    assert all(
        torch.equal(now, zeros_of(made.victim)[layer])
        for layer, now in zeros_of(again.victim).items()
    )


def test_a_refit_still_corrects_a_layer_that_has_its_zeros(
    dense: Victim, sentences: tuple[str, ...]
):
    """Only the last block was sparse: its weights answer to what pruning did to the first, its
    zeros stay.
    """
    mixed = prune(dense, [], None, Plan.named("magnitude", layers="0=0"), 0.7).victim
    refitted, left = (
        prune(
            mixed, sentences, None, Plan.named(f"adaptive:refit={how}", allocation="uniform"), 0.5
        ).victim
        for how in ("cg", "none")
    )
    assert output_error(mixed, refitted, sentences) < output_error(mixed, left, sentences)
    assert all(
        torch.equal(zeros_of(refitted)[layer], zeros_of(mixed)[layer])
        for layer in LAYERS
        if layer[0] == "1"
    )
    assert all(
        torch.equal(left.prunable()[layer], mixed.prunable()[layer])
        for layer in LAYERS
        if layer[0] == "1"
    )


# Many levels


PLANS = [
    *(Plan.named(name) for name in METHODS),
    Plan.named("adaptive", "row"),
    Plan.named("adaptive", layers="0.output=0,1=0.3"),
    Plan.named("sparsegpt", allocation="loss-equalised"),
    Plan.named("adaptive:centre=on,alpha=0.5"),
]


def told(plan: Plan) -> str:
    return "-".join(
        filter(None, (plan.method.name, plan.pattern.name, plan.allocation, plan.layers))
    )


@pytest.mark.parametrize("plan", PLANS, ids=told)
def test_levels_of_one_pass_are_those_of_passes_apart(
    dense: Victim, sentences: tuple[str, ...], plan: Plan
):
    levels = (0.7, 0.0, 0.5, 0.9)
    together = list(prune_levels(dense, sentences[:50], None, plan, levels))
    assert tuple(made.sparsity for made in together) == levels
    for made in together:
        alone = prune(dense, sentences[:50], None, plan, made.sparsity)
        assert same_weights(made.victim, alone.victim), made.sparsity
        assert (made.layers, made.notices) == (alone.layers, alone.notices)
    assert len({id(made.victim.model) for made in together}) == 4


def test_levels_are_made_as_they_are_asked_for(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pipeline, "levels_at_once", lambda victim, tokens: 1)
    heard: list[int] = []
    levels = prune_levels(
        dense,
        sentences[:50],
        None,
        METHODS["sparsegpt"],
        (0.5, 0.7),
        lambda _s, done, _t: heard.append(done),
    )
    assert next(levels).sparsity == 0.5 and max(heard) == 8
    assert next(levels).sparsity == 0.7 and max(heard) == 16


@pytest.mark.parametrize("name", ["adaptive", "sparsegpt-static", "p1"])
@pytest.mark.parametrize("at_once", [1, 2])
def test_levels_that_do_not_fit_together_are_the_same(
    dense: Victim,
    sentences: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    at_once: int,
):
    levels = (0.3, 0.5, 0.7)
    together = list(prune_levels(dense, sentences[:50], None, METHODS[name], levels))
    passes: list[int] = []
    real = pipeline._Work._together
    monkeypatch.setattr(
        pipeline._Work, "_together", lambda self, some: passes.append(len(some)) or real(self, some)
    )
    monkeypatch.setattr(pipeline, "levels_at_once", lambda victim, tokens: at_once)
    apart = list(prune_levels(dense, sentences[:50], None, METHODS[name], levels))
    assert passes == {1: [1, 1, 1], 2: [2, 1]}[at_once]
    assert all(same_weights(a.victim, b.victim) for a, b in zip(together, apart, strict=True))
    assert [made.layers for made in together] == [made.layers for made in apart]


# Memory


def short_of_memory(
    monkeypatch: pytest.MonkeyPatch, times: int, error: Exception | None = None, after: int = 3
) -> None:
    """The first `times` passes run out of memory in their group of that number."""
    real, left = pipeline._Work._prune_group, [times]

    def tight(self: Any, index: int, group: int, *rest: Any) -> None:
        if left[0] and 4 * index + group == after:
            left[0] -= 1
            raise error or torch.OutOfMemoryError("CUDA out of memory")
        real(self, index, group, *rest)

    monkeypatch.setattr(pipeline._Work, "_prune_group", tight)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried to "
            "allocate 9 bytes."
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_runs_out_halves_the_levels(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, error: Exception
):
    levels = (0.3, 0.5, 0.6, 0.7)
    plenty = list(prune_levels(dense, sentences[:50], None, METHODS["adaptive"], levels))
    short_of_memory(monkeypatch, 2, error)
    heard: list[tuple[int, int]] = []
    tight = list(
        prune_levels(
            dense,
            sentences[:50],
            None,
            METHODS["adaptive"],
            levels,
            lambda _stage, done, total: heard.append((done, total)),
        )
    )
    assert all(same_weights(a.victim, b.victim) for a, b in zip(plenty, tight, strict=True))
    assert [made.layers for made in plenty] == [made.layers for made in tight]
    assert tight[0].notices == (
        "Memory ran out with 4 levels at once; 2 are tried.",
        "Memory ran out with 2 levels at once; 1 are tried.",
    )
    assert [done / total for done, total in heard] == sorted(done / total for done, total in heard)
    assert heard[-1] == (40, 40)  # losses of the 8 groups, then 8 at each level


@pytest.mark.parametrize(
    "plan",
    [Plan.named("adaptive"), Plan.named("adaptive", "2:4"), Plan.named("sparsegpt")],
    ids=str,
)
def test_what_is_kept_changes_nothing_and_is_not_measured_again(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, plan: Plan
):
    level, kept = (0.5, Kept())
    alone = next(prune_levels(dense, sentences[:50], None, plan, (level,)))
    assert same_weights(
        next(prune_levels(dense, sentences[:50], None, plan, (level,), kept=kept)).victim,
        alone.victim,
    )
    assert (kept.importance is not None) == plan.method.importance
    assert (kept.losses is not None) == (plan.allocation != "uniform")
    monkeypatch.setattr(pipeline, "measure_importance", None)
    monkeypatch.setattr(pipeline, "loss_curves", None)
    again = next(prune_levels(dense, sentences[:50], None, plan, (level,), kept=kept))
    assert same_weights(again.victim, alone.victim) and again.layers == alone.layers


def test_memory_that_runs_out_with_one_level_halves_the_tokens(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    plenty = prune(dense, sentences[:50], None, METHODS["sparsegpt"], 0.5)
    short_of_memory(monkeypatch, 3)
    tight = prune(dense, sentences[:50], None, METHODS["sparsegpt"], 0.5)
    assert [said.split("with ")[1] for said in tight.notices] == [
        f"{tokens} tokens at once; {tokens // 2} are tried." for tokens in (8192, 4096, 2048)
    ]
    for wanted, found in zip(
        plenty.victim.prunable().values(), tight.victim.prunable().values(), strict=True
    ):
        assert torch.allclose(wanted, found, rtol=1e-3, atol=1e-4) and torch.equal(
            wanted == 0, found == 0
        )


def test_memory_that_is_never_enough_is_an_error(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    short_of_memory(monkeypatch, 10**6)
    with pytest.raises(
        SettingError,
        match=r"Memory ran out with one level and 256 tokens at once \(CUDA out of memory\)",
    ):
        list(prune_levels(dense, sentences[:50], None, METHODS["sparsegpt"], (0.5, 0.7)))


def test_another_failure_is_not_taken_for_memory(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    short_of_memory(monkeypatch, 1, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        prune(dense, sentences[:50], None, METHODS["sparsegpt"], 0.5)


def test_memory_that_runs_out_while_importance_is_measured_halves_its_tokens(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    plenty = prune(dense, sentences[:50], None, METHODS["adaptive"], 0.5)
    tried: list[int] = []

    def tight(*given: Any, stream_tokens: int) -> Any:
        tried.append(stream_tokens)
        if len(tried) < 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return measure_importance(*given, stream_tokens=stream_tokens)

    monkeypatch.setattr(pipeline, "measure_importance", tight)
    pruned = prune(dense, sentences[:50], None, METHODS["adaptive"], 0.5)
    assert tried == [2048, 1024, 512] and len(pruned.notices) == 2
    assert same_weights(plenty.victim, pruned.victim)


def control_group(root: Path, version: int, path: str, most: str, used: int, idle: int) -> None:
    """Files as the kernel writes them."""
    folder = (root if version == 2 else root / "memory") / path
    folder.mkdir(parents=True, exist_ok=True)
    limit, usage, name = (
        ("memory.max", "memory.current", "inactive_file")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    )
    (folder / limit).write_text(f"{most}\n")
    (folder / usage).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{name}_x 5\n{name} {idle}\n")


@pytest.mark.parametrize(
    ("version", "line"), [(2, "0::/{}"), (1, "4:memory:/{}"), (1, "7:cpu,memory:/{}")]
)
def test_the_limit_of_a_container_bounds_what_is_free(tmp_path: Path, version: int, line: str):
    groups = tmp_path / "cgroup"
    membership = tmp_path / "self"

    def rooms(path: str) -> list[int]:
        membership.write_text(f"12:devices:/elsewhere\n{line.format(path)}\n")
        return container_rooms(membership, groups)

    assert rooms("a/b") == []  # nothing to read: no limit is known
    control_group(groups, version, "a", "1000", 700, 100)
    control_group(groups, version, "a/b", "max" if version == 2 else str(2**63 - 4096), 300, 0)
    assert min(rooms("a/b")) == min(rooms("a")) == 400 and len(rooms("a/b")) == (
        1 if version == 2 else 2
    )
    control_group(groups, version, "a/b", "350", 500, 0)
    assert min(rooms("a/b")) == 0  # over its limit already
    control_group(groups, version, "", "640", 600, 10)
    assert rooms("docker/of-the-host") == [
        50
    ]  # in a container the path is the host's, and the limit stands at the root
    membership.unlink()
    assert container_rooms(membership, groups) == []


def test_free_memory_is_what_is_available_within_the_limits(
    dense: Victim, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=900, free=10)
    )
    for limits, free in (([], 900), ([2000], 900), ([700, 800], 700)):
        monkeypatch.setattr(memory, "container_rooms", lambda limits=limits: limits)
        assert free_bytes(dense.device) == free


def test_what_counts_as_memory_that_ran_out():
    assert out_of_memory(torch.OutOfMemoryError("x")) and out_of_memory(MemoryError())
    assert not out_of_memory(RuntimeError("x")) and not out_of_memory(ValueError())


def test_at_least_one_level_fits_and_more_with_more_memory(
    dense: Victim, monkeypatch: pytest.MonkeyPatch
):
    need = level_bytes(dense, 1000)
    assert need >= 4 * (
        1000 * (64 + 2 * 32) + sum(weight.numel() for weight in dense.prunable().values())
    )
    assert free_bytes(dense.device) > 0
    for free, levels in ((0, 1), (2 * need, 1), (2 * 5 * need, 5)):
        monkeypatch.setattr(
            "prunescope.engine.pruning.memory.free_bytes", lambda device, free=free: free
        )
        assert levels_at_once(dense, 1000) == levels


# Precision


def flags() -> tuple[object, ...]:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.get_float32_matmul_precision(),
        torch.is_autocast_enabled("cpu"),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
    )


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("name", ["adaptive", "sparsegpt-static", "p1", "wanda"])
def test_every_precision_runs_and_leaves_the_flags(
    dense: Victim, sentences: tuple[str, ...], name: str, precision: str
):
    before = flags()
    pruned = prune(dense, sentences[:60], None, Plan.named(name, precision=precision), 0.5)
    assert flags() == before
    assert pruned.achieved == 0.5
    assert {weight.dtype for weight in pruned.victim.prunable().values()} == {torch.float32}
    full = prune(dense, sentences[:60], None, Plan.named(name), 0.5)
    assert same_weights(pruned.victim, full.victim) == (precision != "bf16")
    if precision == "bf16":  # coarser statistics, not other ones
        ratio = output_error(dense, pruned.victim, sentences) / output_error(
            dense, full.victim, sentences
        )
        assert 0.5 < ratio < 2


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("allowed", [True, False])
def test_the_flags_are_set_back_after_a_failure(
    dense: Victim,
    sentences: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    allowed: bool,
):
    own = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    before, during = flags(), []

    def fail(*_: Any) -> None:
        during.append(flags())
        raise ValueError("in the middle")

    monkeypatch.setattr("prunescope.engine.pruning.activations.Walk.step", fail)
    try:
        with pytest.raises(ValueError, match="in the middle"):
            prune(dense, sentences[:60], None, Plan.named("sparsegpt", precision=precision), 0.5)
        assert flags() == before
    finally:
        torch.backends.cuda.matmul.allow_tf32 = own
    tf32, _, _, autocast, *_ = during[0]
    assert (tf32, autocast) == (precision == "tf32", precision == "bf16")


# Progress


@pytest.mark.parametrize("plan", PLANS, ids=told)
@pytest.mark.parametrize("at_once", [1, 8])
def test_progress_never_goes_back_and_ends_complete(
    dense: Victim,
    sentences: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    plan: Plan,
    at_once: int,
):
    monkeypatch.setattr(pipeline, "levels_at_once", lambda victim, tokens: at_once)
    heard: list[float] = []
    list(
        prune_levels(
            dense,
            sentences[:50],
            None,
            plan,
            (0.5, 0.0, 0.7, 0.9),
            lambda _stage, done, total: heard.append(done / total),
        )
    )
    assert heard == sorted(heard)
    assert (heard[-1] == 1.0) if plan.method.calibrated else not heard


def test_progress_counts_the_groups_of_all_levels(dense: Victim, sentences: tuple[str, ...]):
    heard: list[tuple[int, int]] = []
    prune(
        dense,
        sentences[:10],
        None,
        METHODS["sparsegpt"],
        0.5,
        lambda _stage, done, total: heard.append((done, total)),
    )
    assert sorted({done for done, _ in heard}) == list(range(1, 9)) and {
        total for _, total in heard
    } == {8}


STAGES = [
    "importance",
    "block 1: losses",
    "block 2: losses",
    "block 1: query key value",
    "block 1: query key value, level 2",
    "block 1: forward",
    "block 1: attention_output",
    "block 2: intermediate",
    "block 2: output, level 2",
    "block 2: forward",
    "pruned",
]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_can_be_cancelled(dense: Victim, sentences: tuple[str, ...], stage: str):
    def stop(heard: str, _done: int, _total: int) -> None:
        if heard.startswith(stage):
            raise InterruptedStudy(heard)

    before = flags()
    with pytest.raises(InterruptedStudy):
        list(
            prune_levels(
                dense,
                sentences[:50],
                None,
                Plan.named("adaptive", allocation="loss-equalised"),
                (0.5, 0.7),
                stop,
            )
        )
    assert fingerprint_of(dense.model, dense.tokenizer) == dense.fingerprint and flags() == before


def test_a_plan_and_its_method_are_the_same_request(dense: Victim, sentences: tuple[str, ...]):
    by_method = prune(dense, sentences[:40], None, METHODS["wanda"], 0.5)
    by_plan = prune(dense, sentences[:40], None, Plan.named("wanda"), 0.5)
    assert same_weights(by_method.victim, by_plan.victim)
    other = prune(
        dense,
        sentences[:40],
        None,
        replace(Plan.named("wanda"), pattern=Plan.named("magnitude").pattern),
        0.5,
    )
    assert not same_weights(by_method.victim, other.victim)


def test_seconds_are_there_for_every_layer_and_are_no_result(halves: dict[str, Pruned]):
    pruned = halves["adaptive"]
    assert list(pruned.seconds) == LAYERS
    assert replace(pruned, seconds={}) == pruned

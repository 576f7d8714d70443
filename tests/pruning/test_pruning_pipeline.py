"""The whole pruner on a tiny victim: exact zeros, and what it leaves alone."""

import math

import pytest
import torch
from pruned_models import changed_parameters, same_weights, zeros

from prunescope.engine.models.fingerprint import weights_sha256
from prunescope.engine.models.victim import Victim, fingerprint_of
from prunescope.engine.pruning.allocation import SPREAD
from prunescope.engine.pruning.methods import METHODS
from prunescope.engine.pruning.pipeline import prune
from prunescope.engine.pruning.plan import Plan, Pruned
from prunescope.engine.records import MODULES

LAYERS = [f"{block}.{name}" for block in range(2) for name in MODULES]
CALIBRATED = [name for name, method in METHODS.items() if method.calibrated]


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


@pytest.mark.parametrize("name", METHODS)
def test_only_prunable_weights_change_and_for_the_paper_the_head(
    dense: Victim, halves: dict[str, Pruned], name: str
):
    heads = {"bert.pooler.dense.weight", "classifier.weight"} if name == "p1" else set()
    assert changed_parameters(dense, halves[name].victim) == heads


def test_centring_changes_the_biases_of_pruned_layers_and_nothing_else(
    dense: Victim, sentences: tuple[str, ...]
):
    plan = Plan.named("sparsegpt:centre=on", layers="0=0,value=0")
    found = changed_parameters(dense, prune(dense, sentences[:40], None, plan, 0.5).victim)
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
    weights = [linear.parameter for linear in victim.linears().values()]
    assert all(
        isinstance(weight, torch.nn.Parameter) and weight.requires_grad for weight in weights
    )
    assert all(bool(gradient.any()) for gradient in torch.autograd.grad(loss, weights[:3]))


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
    # where nothing was pruned before there is nothing to correct
    assert alone["1.query"] == 0.0 and alone["1.output"] > 0


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

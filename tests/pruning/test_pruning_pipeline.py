"""The whole pruner on a tiny victim: exact zeros, what it leaves alone, and whether the correction pays."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import SettingError
from engine.models import victim as victim_module
from engine.models.forward import streams
from engine.models.victim import Victim, load_victim, weights_sha256
from engine.names import MODULES
from engine.pruning import pipeline
from engine.pruning.methods import METHODS, method_named
from engine.pruning.pipeline import Pruned, prune
from engine.pruning.targets import Factor, factorise


@pytest.fixture(scope="module")
def dense(model_folder: Path) -> Victim:
    return load_victim(str(model_folder), "cpu")


@pytest.fixture(scope="module")
def halves(dense: Victim, sentences: tuple[str, ...]) -> dict[str, Pruned]:
    """The victim at 50 % by every method."""
    return {name: prune(dense, sentences, None, method, 0.5) for name, method in METHODS.items()}


def zeros(tensor: Tensor) -> int:
    return int((tensor == 0).sum())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.613, 0.9])
def test_zeros_of_every_layer_are_exact(dense: Victim, sentences: tuple[str, ...], name: str, sparsity: float):
    pruned = prune(dense, sentences[:40], None, METHODS[name], sparsity)
    for layer in pruned.layers:
        weight = pruned.victim.prunable()[layer.layer]
        assert zeros(weight) == layer.zeros == math.floor(weight.numel() * sparsity + 0.5)


def test_report_covers_every_layer_in_order(dense: Victim, halves: dict[str, Pruned]):
    wanted = [f"{block}.{name}" for block in range(2) for name in MODULES]
    for pruned in halves.values():
        assert [layer.layer for layer in pruned.layers] == wanted
        assert sum(layer.weights for layer in pruned.layers) == sum(w.numel() for w in dense.prunable().values())


def test_achieved_is_the_share_of_zeros_in_the_model(halves: dict[str, Pruned]):
    weights = list(halves["adaptive"].victim.prunable().values())
    assert halves["adaptive"].achieved == sum(map(zeros, weights)) / sum(w.numel() for w in weights) == 0.5


@pytest.mark.parametrize("name", METHODS)
def test_given_victim_is_left_alone(dense: Victim, halves: dict[str, Pruned], name: str):
    assert weights_sha256(dense.model) == dense.fingerprint
    assert weights_sha256(halves[name].victim.model) != dense.fingerprint


@pytest.mark.parametrize("name", METHODS)
def test_only_prunable_weights_change(dense: Victim, halves: dict[str, Pruned], name: str):
    ours = {weight.data_ptr() for weight in halves[name].victim.prunable().values()}
    before = dense.model.state_dict()
    after = halves[name].victim.model.state_dict()
    others = [key for key, value in after.items() if value.data_ptr() not in ours]
    assert len(after) - len(others) == 12
    assert all(torch.equal(before[key], after[key]) for key in others)


@pytest.mark.parametrize("name", METHODS)
def test_same_inputs_give_the_same_bytes(dense: Victim, sentences: tuple[str, ...], name: str):
    first, second = (prune(dense, sentences[:60], None, METHODS[name], 0.7).victim.model for _ in range(2))
    assert weights_sha256(first) == weights_sha256(second)


@pytest.mark.parametrize("sparsity", [-0.1, 1.0])
def test_sparsity_outside_its_range_is_an_error(dense: Victim, sentences: tuple[str, ...], sparsity: float):
    with pytest.raises(SettingError, match="outside"):
        prune(dense, sentences, None, METHODS["magnitude"], sparsity)


def test_empty_calibration_is_an_error(dense: Victim):
    with pytest.raises(SettingError, match="needs calibration text"):
        prune(dense, [], None, METHODS["adaptive"], 0.5)


def test_magnitude_needs_no_calibration(dense: Victim, halves: dict[str, Pruned]):
    alone = prune(dense, [], None, METHODS["magnitude"], 0.5)
    assert weights_sha256(alone.victim.model) == weights_sha256(halves["magnitude"].victim.model)


@pytest.mark.parametrize("name", METHODS)
def test_sparsity_zero_gives_an_equal_model_of_its_own(dense: Victim, sentences: tuple[str, ...], name: str):
    pruned = prune(dense, sentences, None, METHODS[name], 0.0)
    assert weights_sha256(pruned.victim.model) == dense.fingerprint
    assert pruned.achieved == 0.0
    assert pruned.victim.model is not dense.model


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_handful_of_sentences_is_enough_to_run(dense: Victim, sentences: tuple[str, ...], count: int):
    pruned = prune(dense, sentences[:count], None, METHODS["adaptive"], 0.5)
    assert pruned.achieved == 0.5
    assert all(bool(w.isfinite().all()) for w in pruned.victim.prunable().values())


def test_calibration_tokens_are_counted_without_padding(dense: Victim, sentences: tuple[str, ...]):
    pruned = prune(dense, sentences[:30], None, METHODS["sequential"], 0.5)
    real = sum(len(dense.encode([text])["input_ids"][0]) for text in sentences[:30])
    assert {layer.tokens for layer in pruned.layers} == {real}


def hessians(monkeypatch: pytest.MonkeyPatch, dense: Victim, texts: tuple[str, ...]) -> list[Tensor]:
    """H + Λ of every group, while the weights stay as they are (too little sparsity for one zero)."""
    found: list[Tensor] = []

    def spy(hessian: Tensor, damping: float) -> Factor:
        found.append(hessian.double())
        return factorise(hessian, damping)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "factorise", spy)
        prune(dense, texts, None, METHODS["sequential"], 1e-6)
    return found


def test_statistics_are_those_of_sentences_read_alone(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    found = hessians(monkeypatch, dense, sentences[:40])
    inputs: list[list[Tensor]] = [[], []]
    with torch.no_grad():
        for text in sentences[:40]:
            hidden = dense.model(**dense.tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
            for block in range(2):
                inputs[block].append(hidden[block][0].double())
    for block in range(2):
        tokens = torch.cat(inputs[block])
        assert torch.allclose(found[4 * block], tokens.T @ tokens / len(tokens), rtol=1e-5, atol=1e-5)


def test_statistics_do_not_depend_on_how_the_tokens_are_cut(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    whole = hessians(monkeypatch, dense, sentences[:60])
    monkeypatch.setattr(victim_module, "streams", partial(streams, max_tokens=50))
    assert len(list(dense.streams(sentences[:60]))) > 10
    cut = hessians(monkeypatch, dense, sentences[:60])
    assert len(cut) == len(whole) == 8
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(whole, cut, strict=True))


def output_error(dense: Victim, pruned: Victim, texts: tuple[str, ...]) -> float:
    """‖last hidden state, dense − pruned‖² over the real tokens."""
    total = 0.0
    for stream in dense.streams(texts):
        mask = stream.inputs["attention_mask"].bool()
        with torch.no_grad():
            wanted, found = (v.model.bert(**stream.inputs).last_hidden_state[mask].double() for v in (dense, pruned))
        total += float((wanted - found).square().sum())
    return total


def test_correction_beats_sequential_beats_magnitude(
    dense: Victim, halves: dict[str, Pruned], sentences: tuple[str, ...]
):
    errors = {name: output_error(dense, pruned.victim, sentences) for name, pruned in halves.items()}
    assert errors["adaptive"] < errors["sequential"] < errors["magnitude"]


def test_correction_pays_without_a_refit_too(dense: Victim, sentences: tuple[str, ...]):
    corrected, plain = (
        prune(dense, sentences, None, replace(METHODS[name], refit_steps=0), 0.5).victim
        for name in ("adaptive", "sequential")
    )
    assert output_error(dense, corrected, sentences) < output_error(dense, plain, sentences)


def inputs_of_linears(victim: Victim, texts: tuple[str, ...]) -> dict[str, Tensor]:
    """`block.module` → its input over the real tokens of `texts` read one by one, in float64."""
    seen: dict[str, list[Tensor]] = {}
    hooks = []
    for block, module in enumerate(victim.family.blocks(victim.model)):
        for name, linear in module.linears.items():
            kept = seen.setdefault(f"{block}.{name}", [])
            hooks.append(linear.register_forward_hook(lambda _m, given, _o, kept=kept: kept.append(given[0][0].double())))
    with torch.no_grad():
        for text in texts:
            victim.model(**victim.tokenizer(text, return_tensors="pt"))
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(parts) for name, parts in seen.items()}


def test_survivors_minimise_the_distance_to_the_dense_output(dense: Victim, sentences: tuple[str, ...]):
    """∇ of ‖W X_d + R_d − Ŵ X_s − R_s‖²/n + ‖(Ŵ − W) Λ^½‖² is zero wherever a weight survived, in every layer."""
    method = replace(METHODS["adaptive"], alpha=1.0, refit_steps=200)
    pruned = prune(dense, sentences[:60], None, method, 0.5).victim
    old, new = inputs_of_linears(dense, sentences[:60]), inputs_of_linears(pruned, sentences[:60])
    for name, found in pruned.prunable().items():
        weight, solved, x_old, x_new = dense.prunable()[name].double(), found.double(), old[name], new[name]
        block, module = name.split(".")
        feeder = {"attention_output": "query", "output": "intermediate"}.get(module)
        residual = old[f"{block}.{feeder}"] - new[f"{block}.{feeder}"] if feeder else 0.0
        hessian = x_new.T @ x_new / len(x_new)
        ridge = method.damping * hessian.diagonal().mean()
        error = x_old @ weight.T + residual - x_new @ solved.T
        slope = error.T @ x_new / len(x_new) - ridge * (solved - weight)
        assert float((slope * (found != 0)).norm()) < 1e-4 * float((weight @ hessian).norm()), name


def test_first_group_has_nothing_to_correct(halves: dict[str, Pruned]):
    layers = halves["adaptive"].layers
    assert [layer.alpha for layer in layers[:3]] == [0.0, 0.0, 0.0]
    assert all(0 < layer.alpha <= 1 for layer in layers[3:])


def test_alpha_given_is_the_alpha_used(dense: Victim, sentences: tuple[str, ...]):
    pruned = prune(dense, sentences[:60], None, replace(METHODS["adaptive"], alpha=0.3), 0.5)
    assert {layer.alpha for layer in pruned.layers} == {0.3}


def test_residual_drift_changes_what_feeds_the_residual(dense: Victim, sentences: tuple[str, ...]):
    method = replace(METHODS["adaptive"], alpha=1.0)
    with_it, without = (
        prune(dense, sentences[:60], None, replace(method, residual=residual), 0.5).victim.prunable()
        for residual in (True, False)
    )
    changed = [name for name in with_it if not torch.equal(with_it[name], without[name])]
    assert changed[0] == "0.output"  # the first block's input has no drift, so its attention output is the same


def test_pairs_reach_the_statistics(dense: Victim, sentences: tuple[str, ...]):
    pruned = prune(dense, sentences[:20], sentences[20:40], METHODS["sequential"], 0.5)
    real = sum(map(len, dense.encode(sentences[:20], sentences[20:40])["input_ids"]))
    assert {layer.tokens for layer in pruned.layers} == {real}


def test_roberta_is_pruned_as_well(write_model: Callable[..., Path], sentences: tuple[str, ...], tmp_path: Path):
    roberta = load_victim(str(write_model(tmp_path / "tiny-roberta", family="roberta")), "cpu")
    pruned = prune(roberta, sentences[:60], None, METHODS["adaptive"], 0.5)
    assert [layer.zeros * 2 for layer in pruned.layers] == [layer.weights for layer in pruned.layers]
    assert weights_sha256(roberta.model) == roberta.fingerprint


@pytest.mark.parametrize("name", METHODS)
def test_pruned_victim_can_be_trained_further(dense: Victim, halves: dict[str, Pruned], name: str):
    model = halves[name].victim.model
    model(**dense.tokenizer("good film", return_tensors="pt"), labels=torch.tensor([1])).loss.backward()
    assert float(model.classifier.weight.grad.norm()) > 0
    model.zero_grad()


def test_progress_ends_complete(dense: Victim, sentences: tuple[str, ...]):
    steps: list[tuple[int, int]] = []
    prune(dense, sentences[:10], None, METHODS["sequential"], 0.5, lambda stage, done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == list(range(9))
    assert {total for _, total in steps} == {8}


def test_unknown_method_lists_those_there_are():
    with pytest.raises(SettingError, match="adaptive, sequential, magnitude"):
        method_named("nope")

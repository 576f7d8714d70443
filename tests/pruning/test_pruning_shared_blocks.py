"""ALBERT: blocks that share their weights are pruned once, from what all of their runs read."""

from functools import partial
from pathlib import Path

import pytest
import torch
from architectures import SIZES, random_model, words_tokenizer
from small_models import WORDS
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from prunescope.engine.evaluation.inside import read_inside
from prunescope.engine.evaluation.measure import layer_errors
from prunescope.engine.export.folder import export_model
from prunescope.engine.models.forward import device_tokens
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning.calibration import Calibration
from prunescope.engine.pruning.groups import groups_of
from prunescope.engine.pruning.pipeline import prune, prune_levels
from prunescope.engine.pruning.plan import Plan

TEXTS = tuple(
    " ".join(WORDS[(3 * row + 5 * i) % len(WORDS)] for i in range(4 + row % 9)) for row in range(40)
)
LINEARS = ("query", "key", "value", "dense", "ffn", "ffn_output")


@pytest.fixture(scope="module")
def albert(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    folder = tmp_path_factory.mktemp("albert")
    random_model("albert", **SIZES, embedding_size=16).save_pretrained(folder)
    words_tokenizer(folder).save_pretrained(folder)
    return load_victim(str(folder), "cpu")


def inputs_of_layers(victim: Victim) -> dict[str, Tensor]:
    """Every input of every linear over all runs and texts, one text at a time, in float64."""
    model = victim.copy().model.double()
    seen: dict[str, list[Tensor]] = {layer: [] for layer in victim.architecture.paths}

    def keep(layer: str, _module: object, args: tuple[Tensor, ...]) -> None:
        seen[layer].append(args[0].flatten(0, -2))

    for layer, path in victim.architecture.paths.items():
        model.get_submodule(path).register_forward_pre_hook(partial(keep, layer))
    with torch.no_grad():
        for text in TEXTS:
            model(**victim.tokenizer(text, return_tensors="pt"))
    return {layer: torch.cat(parts) for layer, parts in seen.items()}


def test_the_one_block_runs_several_times(albert: Victim) -> None:
    assert albert.architecture.runs == 2
    assert list(albert.prunable()) == [f"0.{name}" for name in LINEARS]


def test_statistics_are_those_of_all_runs(albert: Victim) -> None:
    groups = groups_of(albert)
    plan, most = Plan.named("sparsegpt"), device_tokens(albert.device)
    text = Calibration(albert, albert.encode(TEXTS), plan, None, most, lambda stage: None)
    expected = inputs_of_layers(albert)
    for group, gram in zip(groups, text.shared_grams(groups), strict=True):
        inputs = expected[group.layers[0]]
        assert gram.tokens == len(inputs)
        hessian = inputs.T @ inputs / len(inputs)
        torch.testing.assert_close(gram.hessian().double(), hessian, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["adaptive", "p1", "sparsegpt", "wanda"])
def test_levels_together_are_levels_apart(albert: Victim, method: str) -> None:
    plan = Plan.named(method, allocation="uniform", force=True)
    together = list(prune_levels(albert, TEXTS, None, plan, (0.5, 0.8)))
    apart = prune(albert, TEXTS, None, plan, 0.8)
    for layer, weight in together[1].victim.prunable().items():
        assert torch.equal(weight, apart.victim.prunable()[layer])
    exact = sum(weight.numel() for weight in albert.prunable().values())
    assert sum(layer.zeros for layer in together[0].layers) == exact // 2


def test_what_is_left_out_is_said(albert: Victim) -> None:
    pruned = prune(albert, TEXTS, None, Plan.named("adaptive", force=True), 0.5)
    (notice,) = [text for text in pruned.notices if "share their weights" in text]
    assert "all of their 2 runs" in notice and {layer.alpha for layer in pruned.layers} == {0.0}


def test_layer_errors_count_every_run(albert: Victim) -> None:
    other = albert.copy()
    torch.manual_seed(0)
    for weight in other.prunable().values():
        weight += 0.05 * torch.randn(weight.shape)
    before, after = inputs_of_layers(albert), inputs_of_layers(other)
    errors = layer_errors(albert, other, TEXTS, None)
    for layer, linear in albert.linears().items():
        changed = other.linears()[layer]
        bias = linear.module.bias.detach().double()
        dense = before[layer] @ linear.weight.double().T + bias
        sparse = after[layer] @ changed.weight.double().T + bias
        spread = (dense - dense.mean(dim=0)).square().sum()
        assert errors[layer] == pytest.approx(
            float((dense - sparse).square().sum() / spread), rel=1e-3
        )


def test_a_text_inside_shows_every_run(albert: Victim) -> None:
    inside = read_inside(albert, TEXTS[0])
    assert inside.cls.shape == (3, 32) and inside.attention.shape[0] == 2


def test_the_exported_folder_gives_the_same_logits(albert: Victim, tmp_path: Path) -> None:
    pruned = prune(albert, TEXTS, None, Plan.named("adaptive", force=True), 0.5).victim
    export_model(pruned, tmp_path / "out", {})
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    inputs = pruned.tokenizer(TEXTS[3], return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs).logits
    torch.testing.assert_close(pruned.read([TEXTS[3]])[0], expected, rtol=1e-5, atol=1e-5)

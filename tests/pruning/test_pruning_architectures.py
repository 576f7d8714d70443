"""Many architectures are pruned: their statistics against the plain model in float64, levels
together against levels apart, and what is written of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import KINDS
from small_models import WORDS
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from prunescope.engine.export.folder import export_model
from prunescope.engine.export.packed import save_packed
from prunescope.engine.models.dry_run import OUTPUT
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning import calibration, layerwise
from prunescope.engine.pruning.activations import ActivationState
from prunescope.engine.pruning.pipeline import prune_levels
from prunescope.engine.pruning.plan import Plan, Pruned

LEVELS = (0.5, 0.8)
PLAIN = "adaptive:importance=off,alpha=0.5,solver=sparsegpt,refit=none"

every = pytest.mark.parametrize("kind", KINDS)


def made_up_texts(count: int, seed: int = 0) -> tuple[str, ...]:
    """Texts of 6 to 18 words, so that some are padded: 8 to 20 tokens."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(low: int, high: int, size: int = 1) -> list[int]:
        return torch.randint(low, high, (size,), generator=generator).tolist()

    return tuple(
        " ".join(WORDS[i] for i in numbers(0, len(WORDS), numbers(6, 19)[0])) for _ in range(count)
    )


TEXTS = made_up_texts(24)


@dataclass(frozen=True)
class Statistics:
    """What the pruner knew of a group, at one sparsity."""

    hessian: Tensor
    drift: Tensor | None


@dataclass(frozen=True)
class Run:
    """A dense victim with what was made of it, and the statistics by (sparsity, first layer)."""

    dense: Victim
    pruned: list[Pruned]
    statistics: dict[tuple[float, str], Statistics]


@pytest.fixture(scope="module")
def runs(victims: Callable[[str], Victim]) -> Callable[[str], Run]:
    """Every kind pruned at once to LEVELS by PLAIN, each layer alike."""
    finished: dict[str, Run] = {}
    real = layerwise.prune_group

    def run(kind: str) -> Run:
        if kind in finished:
            return finished[kind]
        known: dict[tuple[float, str], Statistics] = {}

        def prune_group(group: Any, level: Any, statistics: Any, *others: Any) -> None:
            gram = statistics.gram
            key = (level.sparsity, group.layers[0])
            known[key] = Statistics(gram.hessian().clone(), gram.drift())
            real(group, level, statistics, *others)

        plan = Plan.named(PLAIN, allocation="uniform", force=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(layerwise, "prune_group", prune_group)
            pruned = list(prune_levels(victims(kind), TEXTS, None, plan, LEVELS))
        finished[kind] = Run(victims(kind), pruned, known)
        return finished[kind]

    return run


@dataclass(frozen=True)
class Reading:
    """What the plain model computes in float64 over single texts, without padding."""

    inputs: dict[str, Tensor]  # `block.module` → the inputs of the linear's first runs, as rows
    second: dict[str, Tensor]  # those of its second runs
    residuals: dict[str, Tensor]  # path of a module → its inputs, as rows


def read_plainly(victim: Victim) -> Reading:
    """Read TEXTS with hooks of this test's own."""
    model, architecture = victim.copy().model.double(), victim.architecture
    seen: dict[str, list[Tensor]] = {}

    def keep(name: str, _module: nn.Module, args: Any, kwargs: Any) -> None:
        value = next(item for item in (*args, *kwargs.values()) if isinstance(item, Tensor))
        seen[name].append(value.detach().reshape(-1, value.shape[-1]))

    paths = {path for group in architecture.groups for path in group.residual}
    for name in (*architecture.paths.values(), *paths):
        module = model.get_submodule(name.removeprefix(OUTPUT))
        if name.startswith(OUTPUT):  # what a module gives
            module.register_forward_hook(
                lambda module, _args, output, name=name: keep(name, module, (output.clone(),), {})
            )
        else:
            module.register_forward_pre_hook(partial(keep, name), with_kwargs=True)
    runs: dict[str, list[list[Tensor]]] = {}
    for text in TEXTS:
        seen |= {name: [] for name in (*architecture.paths.values(), *paths)}
        with torch.no_grad():
            model(**victim.tokenizer(text, return_tensors="pt"))
        for name, values in seen.items():
            runs.setdefault(name, []).append(values)

    def rows(name: str, index: int) -> Tensor:
        return torch.cat([values[index] for values in runs[name]])

    return Reading(
        {layer: rows(path, 0) for layer, path in architecture.paths.items()},
        {
            layer: rows(architecture.paths[layer], 1)
            for group in architecture.groups
            if group.twice
            for layer in group.layers
        },
        {path: rows(path, 0) for path in paths},
    )


def moment(first: Tensor, second: Tensor) -> Tensor:
    """The mean of first · secondᵀ over rows."""
    return first.T @ second / len(first)


def close(actual: Tensor, expected: Tensor, scale: Tensor) -> bool:
    """Within single precision of the size of what was summed."""
    return bool((actual.double() - expected).norm() <= 2e-5 * scale.norm())


@every
def test_every_layer_has_its_exact_number_of_zeros(runs: Callable[[str], Run], kind: str) -> None:
    run = runs(kind)
    for level, pruned in zip(LEVELS, run.pruned, strict=True):
        before = run.dense.prunable()
        for layer, weight in pruned.victim.prunable().items():
            assert int((weight == 0).sum()) == int(level * weight.numel() + 0.5), layer
            assert not bool((before[layer] == 0).any()) and weight.shape == before[layer].shape
        assert pruned.victim.achieved == pruned.achieved == pytest.approx(level, abs=1e-3)
        texts = TEXTS[:3]
        assert not torch.allclose(pruned.victim.read(texts)[0], run.dense.read(texts)[0], atol=1e-3)


@every
def test_statistics_are_those_of_the_plain_model(runs: Callable[[str], Run], kind: str) -> None:
    """H over what the pruned model reads, once all earlier groups are pruned; C with the residual.

    What later groups become changes no input of an earlier one, so the finished model has them all.
    """
    run = runs(kind)
    before, weights = read_plainly(run.dense), run.dense.prunable()
    drifts: dict[str, float] = {}  # by layer, relative to what it computes
    for level, pruned in zip(LEVELS, run.pruned, strict=True):
        after = read_plainly(pruned.victim)
        for number, group in enumerate(run.dense.architecture.groups):
            layer = group.layers[0]
            known, sparse = run.statistics[level, layer], after.inputs[layer]
            weight = torch.cat([weights[name] for name in group.layers]).double()
            error = (before.inputs[layer] - sparse) @ weight.T
            for path in group.residual:
                error = error + before.residuals[path] - after.residuals[path]
            hessian, drift = moment(sparse, sparse), moment(error, sparse)
            if group.twice:  # what is the same for every text weighs as much as all of them
                second = after.second[layer]
                assert torch.allclose(second, before.second[layer])
                hessian, drift = (hessian + moment(second, second)) / 2, drift / 2
            assert close(known.hessian, hessian, hessian), layer
            if number:
                assert known.drift is not None
                assert close(known.drift, drift, weight @ hessian), layer
                drifts[layer] = float(drift.norm() / (weight @ hessian).norm())
            else:
                assert known.drift is None and float(error.abs().max()) == 0
            if group.residual and layer[0] == "1":  # it counts
                alone = moment((before.inputs[layer] - sparse) @ weight.T, sparse)
                assert not close(known.drift, alone, weight @ hessian), layer
    assert max(drifts.values()) > 0.05


def weights_of(victim: Victim) -> list[Tensor]:
    return list(victim.model.state_dict().values())


@every
def test_levels_in_one_pass_are_levels_apart(victims: Callable[[str], Victim], kind: str) -> None:
    """To the bit, by the whole method: importance, measured losses, joint solver, refit."""
    plan, victim = Plan.named("adaptive", force=True), victims(kind)
    together = list(prune_levels(victim, TEXTS, None, plan, LEVELS))
    (apart,) = prune_levels(victim, TEXTS, None, plan, LEVELS[1:])
    assert all(map(torch.equal, weights_of(together[1].victim), weights_of(apart.victim)))
    assert together[1].achieved == apart.achieved == pytest.approx(LEVELS[1], abs=1e-3)
    assert len({layer.requested for layer in apart.layers}) > 1
    assert torch.equal(victim.read(TEXTS[:2])[0], victims(kind).read(TEXTS[:2])[0])


@every
def test_passes_that_do_not_wait_give_the_same_bits(
    victims: Callable[[str], Victim], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory has room for none of the passes, or for some of them."""
    victim, plan = victims(kind), Plan.named("adaptive", force=True)
    (waiting,) = prune_levels(victim, TEXTS, None, plan, LEVELS[1:])
    entered = 0
    enter = ActivationState.enter

    def count(state: ActivationState) -> None:
        nonlocal entered
        entered += not state.waits
        enter(state)

    monkeypatch.setattr(ActivationState, "enter", count)
    for share in (0.0, 0.5):
        before = entered
        monkeypatch.setattr(
            calibration,
            "tokens_that_wait",
            lambda victim, tokens, models, share=share: int(share * tokens),
        )
        (anew,) = prune_levels(victim, TEXTS, None, plan, LEVELS[1:])
        assert entered > before or victim.architecture.runs > 1
        assert all(map(torch.equal, weights_of(anew.victim), weights_of(waiting.victim)))
        assert anew.layers == waiting.layers
        assert torch.equal(anew.victim.read(TEXTS[:2])[0], waiting.victim.read(TEXTS[:2])[0])


@every
def test_a_pruned_model_is_written_and_opened(
    runs: Callable[[str], Run], kind: str, tmp_path: Path
) -> None:
    victim = runs(kind).pruned[1].victim
    logits = victim.read(TEXTS[:6])[0]
    export_model(victim, tmp_path / "folder", {})
    save_packed(victim, tmp_path / "packed", {})
    for form in ("folder", "packed"):
        again = load_victim(str(tmp_path / form), "cpu")
        assert again.architecture == victim.architecture
        assert all(map(torch.equal, weights_of(again), weights_of(victim)))
        torch.testing.assert_close(again.read(TEXTS[:6])[0], logits, rtol=1e-5, atol=1e-5)
        assert again.achieved == victim.achieved
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "folder").eval()
    for text, row in zip(TEXTS, logits, strict=False):
        with torch.inference_mode():
            expected = model(**victim.tokenizer(text, return_tensors="pt")).logits[0]
        torch.testing.assert_close(row, expected, rtol=1e-4, atol=2e-5)

"""Many sparsities in one pass, within memory, with progress that never goes back."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from pruned_models import matmul_flags, same_weights

from prunescope.engine.errors import InterruptedStudy, SettingError
from prunescope.engine.models.victim import Victim, fingerprint_of
from prunescope.engine.pruning import groups, layerwise
from prunescope.engine.pruning.importance import measure_importance
from prunescope.engine.pruning.measurements import SharedMeasurements
from prunescope.engine.pruning.methods import METHODS
from prunescope.engine.pruning.pipeline import prune, prune_levels
from prunescope.engine.pruning.plan import Plan, Pruned
from prunescope.engine.records import MODULES

LAYERS = [f"{block}.{name}" for block in range(2) for name in MODULES]


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
    monkeypatch.setattr(layerwise, "sparsities_at_once", lambda victim, tokens: 1)
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
    real = layerwise.LayerwisePruner._prune_together
    monkeypatch.setattr(
        layerwise.LayerwisePruner,
        "_prune_together",
        lambda self, some: passes.append(len(some)) or real(self, some),
    )
    monkeypatch.setattr(layerwise, "sparsities_at_once", lambda victim, tokens: at_once)
    apart = list(prune_levels(dense, sentences[:50], None, METHODS[name], levels))
    assert passes == {1: [1, 1, 1], 2: [2, 1]}[at_once]
    assert all(same_weights(a.victim, b.victim) for a, b in zip(together, apart, strict=True))
    assert [made.layers for made in together] == [made.layers for made in apart]


def short_of_memory(
    monkeypatch: pytest.MonkeyPatch, times: int, error: Exception | None = None, after: int = 3
) -> None:
    """The first `times` passes run out of memory in their group of that number."""
    real, left = layerwise.LayerwisePruner._prune_group, [times]

    def tight(self: Any, group: groups.Group, *rest: Any) -> None:
        if left[0] and self.groups.index(group) == after:
            left[0] -= 1
            raise error or torch.OutOfMemoryError("CUDA out of memory")
        real(self, group, *rest)

    monkeypatch.setattr(layerwise.LayerwisePruner, "_prune_group", tight)


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
        "Memory ran out with 4 sparsities at once; 2 are tried.",
        "Memory ran out with 2 sparsities at once; 1 are tried.",
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
    level, shared = (0.5, SharedMeasurements())
    alone = next(prune_levels(dense, sentences[:50], None, plan, (level,)))
    assert same_weights(
        next(prune_levels(dense, sentences[:50], None, plan, (level,), shared=shared)).victim,
        alone.victim,
    )
    assert (shared.importance is not None) == plan.method.importance
    assert (shared.losses is not None) == (plan.allocation != "uniform")
    monkeypatch.setattr(layerwise, "measure_importance", None)
    monkeypatch.setattr(layerwise, "loss_curves", None)
    again = next(prune_levels(dense, sentences[:50], None, plan, (level,), shared=shared))
    assert same_weights(again.victim, alone.victim) and again.layers == alone.layers


def test_memory_that_runs_out_with_one_level_halves_the_tokens(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    plenty = prune(dense, sentences[:50], None, METHODS["sparsegpt"], 0.5)
    short_of_memory(monkeypatch, 3)
    tight = prune(dense, sentences[:50], None, METHODS["sparsegpt"], 0.5)
    assert [said.split("with ")[1] for said in tight.notices] == [
        f"{tokens} tokens at once; {tokens // 2} are tried." for tokens in (2048, 1024, 512)
    ]
    for expected, found in zip(
        plenty.victim.prunable().values(), tight.victim.prunable().values(), strict=True
    ):
        assert torch.allclose(expected, found, rtol=1e-3, atol=1e-4) and torch.equal(
            expected == 0, found == 0
        )


def test_memory_that_is_never_enough_is_an_error(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    short_of_memory(monkeypatch, 10**6)
    with pytest.raises(
        SettingError,
        match=r"Memory ran out with one sparsity and 256 tokens at once \(CUDA out of memory\)",
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

    monkeypatch.setattr(layerwise, "measure_importance", tight)
    pruned = prune(dense, sentences[:50], None, METHODS["adaptive"], 0.5)
    assert tried == [2048, 1024, 512] and len(pruned.notices) == 2
    assert same_weights(plenty.victim, pruned.victim)


@pytest.mark.parametrize("plan", PLANS, ids=told)
@pytest.mark.parametrize("at_once", [1, 8])
def test_progress_never_goes_back_and_ends_complete(
    dense: Victim,
    sentences: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    plan: Plan,
    at_once: int,
):
    monkeypatch.setattr(layerwise, "sparsities_at_once", lambda victim, tokens: at_once)
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
    assert sorted({done for done, _ in heard}) == list(range(9))
    assert {total for _, total in heard} == {8}


STAGES = [
    "importance",
    "block 1: losses",
    "block 2: losses",
    "block 1: query key value",
    "block 1: query key value, sparsity 2",
    "block 1: forward",
    "block 1: attention_output",
    "block 2: intermediate",
    "block 2: output, sparsity 2",
    "block 2: forward",
    "pruned",
]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_can_be_cancelled(dense: Victim, sentences: tuple[str, ...], stage: str):
    def stop(heard: str, _done: int, _total: int) -> None:
        if heard.startswith(stage):
            raise InterruptedStudy(heard)

    before = matmul_flags()
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
    assert (
        fingerprint_of(dense.model, dense.tokenizer) == dense.fingerprint
        and matmul_flags() == before
    )


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

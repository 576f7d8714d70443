"""Number formats: float64 where single precision is too coarse, and forward passes in others."""

from contextlib import ExitStack
from typing import Any

import pytest
import torch
from pruned_models import matmul_flags, output_error, same_weights
from torch import Tensor

from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning import groups
from prunescope.engine.pruning.activations import calibration_streams
from prunescope.engine.pruning.methods import method_named
from prunescope.engine.pruning.obc import remove_one_by_one
from prunescope.engine.pruning.pipeline import prune
from prunescope.engine.pruning.plan import Plan
from prunescope.engine.pruning.solvers import Problem
from prunescope.engine.records import MODULES

LAYERS = [f"{block}.{name}" for block in range(2) for name in MODULES]


def problems_of(
    monkeypatch: pytest.MonkeyPatch, dense: Victim, texts: tuple[str, ...], name: str
) -> tuple[list[Problem], Victim]:
    """What the solver was given for every layer at 50 %, and the pruned victim."""
    seen: list[Problem] = []
    real = groups.solver_named
    with monkeypatch.context() as patch:
        patch.setattr(
            groups,
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
    # every layer is below
    monkeypatch.setattr("prunescope.engine.pruning.targets.LEAST_PIVOT", 1.0)
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


def batched_inputs(victim: Victim, texts: tuple[str, ...]) -> dict[str, Tensor]:
    """`block.module` → its input over the real tokens, in float64, read in the pruner's own
    batches: a text alone is rounded otherwise, and the systems' condition numbers, some 1e8, make
    much of that.
    """
    seen: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
    for stream in calibration_streams(victim, victim.encode(texts), 2048, [], True):
        batch = stream.batch
        with ExitStack() as stack, torch.no_grad():
            for layer, linear in victim.linears().items():
                handle = linear.module.register_forward_pre_hook(
                    lambda _m, args, layer=layer, batch=batch: seen[layer].append(
                        batch.real(args[0]).double()
                    )
                )
                stack.callback(handle.remove)
            victim.model(**batch.inputs)
    return {layer: torch.cat(parts) for layer, parts in seen.items()}


def test_the_papers_masks_are_those_of_double_precision(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    """Eq. 5 and the greedy choice, all in float64 from a plain reading of the models, leave the
    same weights in every layer.
    """
    seen, pruned = problems_of(monkeypatch, dense, sentences[:80], "p1")
    assert any(one.target.dtype == torch.float64 for one in seen)
    old, new = (batched_inputs(victim, sentences[:80]) for victim in (dense, pruned))
    for layer, given in zip(LAYERS, seen, strict=True):
        x_new, goal = new[layer], old[layer] @ dense.prunable()[layer].double().T
        system = x_new.T @ x_new + 1e-4 * torch.eye(x_new.shape[1], dtype=torch.float64)
        inverse = torch.linalg.inv(system)
        target = (inverse @ (x_new.T @ goal)).T
        expected = remove_one_by_one(target, (inverse + inverse.T) / 2, x_new.shape[1] // 2)
        assert torch.equal(pruned.prunable()[layer] == 0, expected == 0), layer
        if given.target.dtype == torch.float64:
            assert torch.allclose(given.target, target, rtol=1e-4, atol=1e-4), layer


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("name", ["adaptive", "sparsegpt-static", "p1", "wanda"])
def test_every_precision_runs_and_leaves_the_flags(
    dense: Victim, sentences: tuple[str, ...], name: str, precision: str
):
    before = matmul_flags()
    pruned = prune(dense, sentences[:60], None, Plan.named(name, precision=precision), 0.5)
    assert matmul_flags() == before
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
    before, during = matmul_flags(), []

    def fail(*_: Any) -> None:
        during.append(matmul_flags())
        raise ValueError("in the middle")

    monkeypatch.setattr("prunescope.engine.pruning.activations.ActivationState.advance", fail)
    try:
        with pytest.raises(ValueError, match="in the middle"):
            prune(dense, sentences[:60], None, Plan.named("sparsegpt", precision=precision), 0.5)
        assert matmul_flags() == before
    finally:
        torch.backends.cuda.matmul.allow_tf32 = own
    tf32, _, _, autocast, *_ = during[0]
    assert (tf32, autocast) == (precision == "tf32", precision == "bf16")

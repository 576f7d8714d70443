"""Refits of the remaining weights, against least squares on their support."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import coupled, loss, metric_loss, problem
from torch import Tensor

from prunescope.engine.errors import InterruptedStudy, NumericalError
from prunescope.engine.pruning import refits as refits_module
from prunescope.engine.pruning.groups import refit_weights
from prunescope.engine.pruning.importance import OutputMetric
from prunescope.engine.pruning.methods import REFITS, Method
from prunescope.engine.pruning.patterns import NofM, Pattern, Unstructured
from prunescope.engine.pruning.refits import refit, refit_exactly
from prunescope.engine.pruning.solvers import (
    SOLVERS,
    Problem,
    prune_by_magnitude,
    solver_named,
)

PATTERNS = [Unstructured(), Unstructured(per_row=True), NofM(2, 4), NofM(1, 4)]


def wide_problem() -> tuple[Tensor, Tensor, Tensor]:
    """(W*, a sparse start, H + Λ) in double precision."""
    one = problem(5, 24, seed=3)
    target = one.target.double()
    return target, prune_by_magnitude(target, Unstructured(), 0.6), one.factor.hessian.double()


def row_losses(weights: Tensor, target: Tensor, hessian: Tensor) -> Tensor:
    """(rows,)"""
    return (((target - weights) @ hessian) * (target - weights)).sum(dim=1)


def test_refit_never_raises_the_loss_of_a_row():
    target, start, hessian = wide_problem()
    losses = torch.stack(
        [row_losses(refit(start, target, hessian, steps), target, hessian) for steps in range(15)]
    )
    assert bool((losses[1:] <= losses[:-1] * (1 + 1e-12)).all())
    assert bool((losses[-1] < losses[0]).all())


@pytest.mark.parametrize("how", ["cg", "cholesky", "cholesky in chunks", "a row at a time"])
def test_refitting_reaches_least_squares_on_the_support(how: str):
    target, start, hessian = wide_problem()
    numbers = {"cholesky in chunks": 2 * 24**2, "a row at a time": 1}.get(how, 1 << 26)
    found = (
        refit(start, target, hessian, 60)
        if how == "cg"
        else refit_exactly(start, target, hessian, max_numbers=numbers)
    )
    for row in range(len(target)):
        kept = start[row] != 0
        expected = torch.linalg.solve(hessian[kept][:, kept], hessian[kept] @ target[row])
        assert torch.allclose(found[row, kept], expected, rtol=1e-7, atol=1e-9)
    assert torch.equal(found == 0, start == 0)


def test_refitting_under_a_metric_reaches_its_least_squares_on_the_support():
    """One system over all survivors: Σ_kl M_ik H_jl w_kl over the kept equals (M W* H)_ij."""
    target, start, hessian = wide_problem()
    metric = coupled(5, dtype=torch.float64)
    assert metric.matrix is not None
    kept = (start != 0).reshape(-1)
    system = torch.kron(metric.matrix, hessian)
    expected = torch.zeros(kept.shape, dtype=torch.float64)
    expected[kept] = torch.linalg.solve(system[kept][:, kept], (system @ target.reshape(-1))[kept])
    found = refit(start, target, hessian, 400, metric)
    assert torch.allclose(found, expected.view_as(found), rtol=1e-6, atol=1e-8)
    gaps = [target - refit(start, target, hessian, steps, metric) for steps in range(20)]
    losses = torch.stack([(metric(gap) * (gap @ hessian)).sum() for gap in gaps])
    assert bool((losses[1:] <= losses[:-1] * (1 + 1e-12)).all()) and losses[-1] < losses[0]


def best_loss(weights: Tensor, one: Problem) -> float:
    """The least loss that any weights of this support have: one dense system in float64 over all of
    the survivors.
    """
    rows = len(weights)
    matrix = torch.eye(rows) if one.metric is None else one.metric.matrix
    system = torch.kron(
        (torch.diag(one.metric.diagonal) if matrix is None else matrix).double(),
        one.factor.hessian.double(),
    )
    support, target = (weights != 0).reshape(-1), one.target.double().reshape(-1)
    gap = target.clone()
    gap[support] -= torch.linalg.solve(system[support][:, support], (system @ target)[support])
    return float(gap @ system @ gap)


def own_loss(weights: Tensor, one: Problem) -> float:
    """The loss that the problem itself states: under its metric where it has one."""
    if one.metric is not None and one.metric.matrix is not None:
        return metric_loss(weights, one, one.metric)
    return loss(weights, one, one.importance)


@pytest.mark.parametrize("refit_name", REFITS)
@pytest.mark.parametrize("solver", SOLVERS)
@given(
    seed=st.integers(0, 999),
    rows=st.integers(1, 6),
    sparsity=st.floats(0.1, 0.9),
    pattern=st.sampled_from(PATTERNS),
    outputs=st.sampled_from(["alike", "apart", "coupled"]),
    kind=st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_no_refit_is_worse_than_none_by_its_own_objective(
    solver: str,
    refit_name: str,
    seed: int,
    rows: int,
    sparsity: float,
    pattern: Pattern,
    outputs: str,
    kind: torch.dtype,
):
    """And the exact one is at the bottom of it, for every metric that a method may have."""
    if refit_name == "cholesky" and outputs == "coupled":
        outputs = "apart"  # that combination is refused
    if solver == "obc" and pattern == Unstructured():
        pattern = Unstructured(per_row=True)
    metric = {
        "alike": None,
        "apart": OutputMetric(coupled(rows, seed).diagonal),
        "coupled": coupled(rows, seed),
    }[outputs]
    one = problem(rows, 16, sparsity, pattern, seed)
    factor = one.factor if kind == torch.float32 else one.factor.wide
    one = replace(
        one,
        target=one.target.to(kind),
        factor=factor,
        metric=metric and metric.like(factor.hessian),
    )
    solved = solver_named(solver)(one)
    after = refit_weights(solved, one, Method("", "", "", solver, refit=refit_name, steps=10))
    assert after.dtype == kind and torch.equal(after == 0, solved == 0)
    room = 1e-5 if kind == torch.float32 else 1e-12
    # what single precision rounds is a share of this
    scale = own_loss(torch.zeros_like(solved), one)
    assert own_loss(after, one) <= own_loss(solved, one) + room * scale
    if refit_name in ("exact", "cholesky"):
        assert own_loss(after, one) == pytest.approx(
            best_loss(solved, one), rel=1e-7, abs=room * scale
        )


def test_an_exact_refit_that_does_not_settle_is_an_error(monkeypatch: pytest.MonkeyPatch):
    target, start, hessian = wide_problem()
    monkeypatch.setattr(refits_module, "MAX_STEPS", 3)
    with pytest.raises(
        NumericalError, match="did not settle within 3 steps; use more damping, or refit=cg"
    ):
        refit_exactly(start, target, hessian, coupled(5, dtype=torch.float64))
    for metric in (None, coupled(5)):
        with pytest.raises(
            NumericalError, match="statistics that are singular; use more damping, or refit=cg"
        ):
            refit_exactly(
                start, target, hessian - 2 * hessian.diagonal().mean() * torch.eye(24), metric
            )


def test_an_exact_refit_can_be_cancelled():
    def stop() -> None:
        raise InterruptedStudy("now")

    target, start, hessian = wide_problem()
    for metric in (None, coupled(5)):
        with pytest.raises(InterruptedStudy):
            refit_exactly(start, target, hessian, metric, stop)


def test_what_needs_no_refit_stays_as_it_is_under_a_metric():
    target, start, hessian = wide_problem()
    assert torch.equal(refit_exactly(start, start, hessian, coupled(5)), start)
    assert torch.allclose(refit_exactly(target, target, hessian, coupled(5)), target, rtol=1e-12)


def test_outputs_apart_are_refitted_row_by_row():
    target, start, hessian = wide_problem()
    apart = OutputMetric(torch.tensor([5.0, 0.1, 1.0, 2.0, 7.0], dtype=torch.float64))
    assert torch.equal(refit(start, target, hessian, 4, apart), refit(start, target, hessian, 4))


@pytest.mark.parametrize("steps", [1, 8])
def test_refit_keeps_the_mask(steps: int):
    target, start, hessian = wide_problem()
    start[2] = 0.0  # a row may be empty
    assert torch.equal(refit(start, target, hessian, steps) == 0, start == 0)
    assert torch.equal(refit_exactly(start, target, hessian) == 0, start == 0)


def test_a_solved_row_stays_as_it_is():
    target, _, hessian = wide_problem()
    assert torch.equal(refit(target, target, hessian, 5), target)
    assert torch.allclose(refit_exactly(target, target, hessian), target, rtol=1e-9, atol=1e-9)

"""Masks and updates of the solvers, against their definitions and slow float64 oracles."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunescope.engine.errors import InterruptedStudy, NumericalError, SettingError
from prunescope.engine.pruning import solvers as solvers_module
from prunescope.engine.pruning.allocation import GRID
from prunescope.engine.pruning.importance import Metric
from prunescope.engine.pruning.layerwise import _refitted
from prunescope.engine.pruning.methods import REFITS, Method
from prunescope.engine.pruning.patterns import NofM, Pattern, Unstructured
from prunescope.engine.pruning.solvers import (
    BASE,
    LEAST,
    PENALTIES,
    SOLVERS,
    Problem,
    _toward,
    by_magnitude,
    loss_curves,
    refit,
    refit_exactly,
    solver_named,
)
from prunescope.engine.pruning.targets import Factor, factorise

SPARSITIES = [0.01, 0.1, 0.25, 1 / 3, 0.5, 0.617, 0.75, 0.875, 0.95, 0.999]
PATTERNS = [Unstructured(), Unstructured(per_row=True), NofM(2, 4), NofM(1, 4)]
Solve = Callable[[Problem], Tensor]


def problem(
    rows: int, width: int, sparsity: float = 0.5, pattern: Pattern | None = None, seed: int = 0
) -> Problem:
    """Weights and the factor of correlated inputs, in single precision."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(4 * width, width, generator=generator) @ torch.randn(
        width, width, generator=generator
    )
    hessian = inputs.T @ inputs / len(inputs)
    chosen = pattern or Unstructured()
    level = chosen.sparsity if isinstance(chosen, NofM) else sparsity
    return Problem(
        torch.randn(rows, width, generator=generator),
        factorise(hessian, 0.01),
        hessian.diagonal(),
        level,
        chosen,
    )


def coupled(rows: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Metric:
    """A metric in which a few combinations of outputs carry most."""
    axes = torch.randn(
        rows, max(1, rows // 4), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    matrix = (axes @ axes.T + 0.1 * torch.eye(rows, dtype=torch.float64)).to(dtype)
    return Metric(matrix.diagonal().clone(), matrix)


def metric_loss(weights: Tensor, one: Problem, metric: Metric) -> float:
    """tr(M (w* − w)(H + Λ)(w* − w)ᵀ), in float64."""
    assert metric.matrix is not None
    gap = (one.target - weights).double()
    return float(((metric.matrix.double() @ gap) * (gap @ one.factor.hessian.double())).sum())


def loss(weights: Tensor, one: Problem, importance: Tensor | None = None) -> float:
    """Σ over rows of importance · (w* − w)ᵀ (H + Λ)(w* − w), in float64."""
    gap = (one.target - weights).double()
    rows = ((gap @ one.factor.hessian.double()) * gap).sum(dim=1)
    return float(rows.sum() if importance is None else (rows * importance.double()).sum())


def refitted(weights: Tensor, one: Problem) -> Tensor:
    return refit_exactly(weights, one.target, one.factor.hessian)


def zeros(weights: Tensor) -> int:
    return int((weights == 0).sum())


# All of them


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_zeros_are_exact(name: str, pattern: Pattern, sparsity: float):
    if name == "obc" and pattern == Unstructured():
        pytest.skip("it works row by row")
    one = problem(5, 132, sparsity, pattern)
    solved = solver_named(name)(one)
    assert zeros(solved) == pattern.zeros(5, 132, one.sparsity)
    assert (
        zeros(refit(solved, one.target, one.factor.hessian, 3))
        == zeros(refitted(solved, one))
        == zeros(solved)
    )
    if pattern != Unstructured():
        size = pattern.m if isinstance(pattern, NofM) else 132
        assert len(set((solved.view(-1, size) == 0).sum(dim=1).tolist())) == 1


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_leaves_what_it_was_given_alone(name: str):
    one = problem(6, 40, pattern=Unstructured(per_row=True))
    metric = coupled(6, seed=1)
    assert metric.matrix is not None
    one = replace(one, metric=metric)
    given = (
        one.target,
        one.power,
        one.factor.hessian,
        one.factor.upper,
        metric.diagonal,
        metric.matrix,
    )
    before = [value.clone() for value in given]
    solved = solver_named(name)(one)
    refit(solved, one.target, one.factor.hessian, 3, metric)
    refitted(solved, one)
    assert all(torch.equal(value, kept) for value, kept in zip(given, before, strict=True))


@pytest.mark.parametrize("name", SOLVERS)
def test_the_same_problem_gives_the_same_bytes(name: str):
    first, second = (
        solver_named(name)(problem(6, 40, pattern=Unstructured(per_row=True))) for _ in range(2)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", ["joint", "obc"])
def test_a_long_solver_can_be_cancelled(name: str):
    def stop() -> None:
        raise InterruptedStudy("now")

    with pytest.raises(InterruptedStudy):
        solver_named(name)(replace(problem(6, 200, pattern=Unstructured(per_row=True)), tick=stop))


# Magnitude and Wanda


def test_magnitude_removes_exactly_the_smallest():
    target = torch.tensor([[3.0, -0.1, 0.2, 1.0], [-5.0, 0.3, -4.0, 2.0]])
    assert by_magnitude(target, Unstructured(), 0.5).tolist() == [
        [3.0, 0.0, 0.0, 0.0],
        [-5.0, 0.0, -4.0, 2.0],
    ]
    assert by_magnitude(target, Unstructured(True), 0.5).tolist() == [
        [3.0, 0.0, 0.0, 1.0],
        [-5.0, 0.0, -4.0, 0.0],
    ]
    found = by_magnitude(target, NofM(1, 2), 0.5)
    assert found.tolist() == [[3.0, 0.0, 0.0, 1.0], [-5.0, 0.0, -4.0, 0.0]]
    assert torch.equal(by_magnitude(target, Unstructured(), 0.0), target)


def test_ties_are_broken_by_position():
    wanted = torch.tensor([[0.0] * 6, [1.0] * 6])
    assert torch.equal(by_magnitude(torch.ones(2, 6), Unstructured(), 0.5), wanted)
    even = Problem(
        torch.ones(2, 6), factorise(torch.eye(6), 0.01), torch.ones(6), 0.5, Unstructured()
    )
    for name in ("wanda", "magnitude", "sparsegpt", "joint"):
        assert torch.equal(solver_named(name)(even) == 0, wanted == 0), name


def test_wanda_is_its_definition():
    """In every row the smallest |w_ij| ‖x_j‖ leave; the others stay as they are."""
    one = problem(7, 30, 0.6, Unstructured(per_row=True))
    found = solver_named("wanda")(one)
    for row in range(7):
        cost = [abs(float(one.target[row, j])) * math.sqrt(float(one.power[j])) for j in range(30)]
        gone = sorted(sorted(range(30), key=lambda j, cost=cost: cost[j])[:18])
        assert (found[row] == 0).nonzero().flatten().tolist() == gone
    assert torch.equal(found, one.target * (found != 0))


# Joint


@pytest.mark.parametrize("pattern", [Unstructured(), NofM(2, 4)], ids=lambda pattern: pattern.name)
@pytest.mark.parametrize("sparsity", [0.5, 0.8])
def test_joint_beats_the_sweep_once_both_are_refitted(pattern: Pattern, sparsity: float):
    """Both with the best survivors for their mask: a joint choice is the better one, in each of
    several draws.
    """
    ratios = []
    for seed in range(8):
        one = problem(24, 64, sparsity, pattern, seed)
        joint, sweep = (
            loss(refitted(solver_named(name)(one), one), one) for name in ("joint", "sparsegpt")
        )
        ratios.append(joint / sweep)
    assert max(ratios) < 1.0 and sum(ratios) / len(ratios) < 0.93


@pytest.mark.parametrize("sparsity", [0.5, 0.9])
def test_joint_stays_near_the_best_where_inputs_do_not_correlate(sparsity: float):
    """The best mask is then the smallest w² h_j and the survivors stay; a few rounds miss it by
    some percent, no more.
    """
    one = problem(48, 96, sparsity)
    alone = replace(one, factor=factorise(torch.diag(one.power), 0.01))
    score = alone.target.square() * alone.factor.hessian.diagonal()
    best = float(score.masked_fill(~Unstructured().removed(score, sparsity), 0.0).double().sum())
    assert best <= loss(refitted(solver_named("joint")(alone), alone), alone) < 1.25 * best


@pytest.mark.parametrize("name", ["joint", "sparsegpt"])
@pytest.mark.parametrize(
    "pattern", [Unstructured(), Unstructured(True), NofM(2, 4)], ids=lambda pattern: pattern.name
)
def test_importance_times_a_constant_changes_nothing(name: str, pattern: Pattern):
    one, solve = problem(12, 64, 0.6, pattern), solver_named(name)
    importance = torch.rand(12, generator=torch.Generator().manual_seed(5)) + 0.1
    plain = solve(replace(one, metric=Metric(importance)))
    assert torch.equal(
        solve(replace(one, metric=Metric(importance * 4))), plain
    )  # a power of four is exact under the root
    assert torch.equal(solve(replace(one, metric=Metric(torch.full((12,), 16.0)))), solve(one))
    whole = coupled(12)
    assert whole.matrix is not None
    larger = Metric(whole.diagonal * 4, whole.matrix * 4)
    assert torch.equal(solve(replace(one, metric=larger)), solve(replace(one, metric=whole)))


def test_importance_moves_zeros_to_outputs_that_matter_little():
    one, solve = problem(12, 64, 0.6), solver_named("joint")
    importance = torch.tensor([10.0] * 6 + [0.1] * 6)
    plain, led = (
        refitted(solve(one), one),
        refitted(solve(replace(one, metric=Metric(importance))), one),
    )
    assert zeros(led[:6]) < zeros(plain[:6]) and zeros(led) == zeros(plain)
    assert loss(led, one, importance) < loss(plain, one, importance)


@pytest.mark.parametrize("step", PENALTIES)
def test_a_step_of_the_alternation_is_the_damped_least_squares(step: int):
    """argmin over X of tr(M̃ (G − X) H̃ (G − X)ᵀ) + ρ‖X‖² by one system over all entries, for γ
    that are steps of the base.
    """
    one, rows = problem(6, 20), 6
    vectors = torch.linalg.qr(
        torch.randn(rows, rows, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    )[0]
    values = torch.tensor([BASE**-1, BASE**-1, 1.0, 1.0, BASE, BASE**2], dtype=torch.float64)
    penalty, scaled = LEAST * BASE**step, one.factor.scaled.double()
    system = torch.kron(vectors @ torch.diag(values) @ vectors.T, scaled)
    ridged = system + penalty * torch.eye(len(system), dtype=torch.float64)
    wanted = torch.linalg.solve(ridged, system @ one.target.double().reshape(-1)).view(rows, 20)
    metric = Metric(torch.ones(rows), torch.eye(rows))
    vars(metric)["axes"] = values.float(), vectors.float()  # as if found for a metric of these axes
    found = _toward(one.target, one.factor, metric, step)
    assert torch.allclose(found.double(), wanted, rtol=1e-3, atol=1e-4)
    alone = torch.linalg.solve(
        scaled + penalty * torch.eye(20, dtype=torch.float64), scaled @ one.target.double().T
    ).T
    assert torch.allclose(
        _toward(one.target, one.factor, None, step).double(), alone, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("sparsity", [0.5, 0.8])
def test_the_metric_lowers_what_it_measures(sparsity: float):
    """Choice and refit under M against both without it, and against the choice without it, in each
    of several draws.
    """
    apart, half = [], []
    for seed in range(6):
        one, metric = problem(24, 64, sparsity, seed=seed), coupled(24, seed)
        solve = solver_named("joint")
        chosen = solve(replace(one, metric=metric))
        with_it = metric_loss(
            refit(chosen, one.target, one.factor.hessian, 40, metric), one, metric
        )
        plain = solve(replace(one, metric=Metric(metric.diagonal)))
        apart.append(with_it / metric_loss(refitted(plain, one), one, metric))
        half.append(
            with_it
            / metric_loss(refit(plain, one.target, one.factor.hessian, 40, metric), one, metric)
        )
    assert max(apart) < 0.8 and sum(half) / len(half) < 1.0


def test_the_scale_of_the_inputs_changes_no_mask():
    one, solve = problem(8, 48, 0.6), solver_named("joint")
    larger = replace(one, factor=factorise(one.factor.hessian * 1024, 0.0), power=one.power * 1024)
    same = replace(one, factor=factorise(one.factor.hessian, 0.0))
    assert torch.equal(solve(larger) == 0, solve(same) == 0)


# Survivors


def wide_problem() -> tuple[Tensor, Tensor, Tensor]:
    """(W*, a sparse start, H + Λ) in double precision."""
    one = problem(5, 24, seed=3)
    target = one.target.double()
    return target, by_magnitude(target, Unstructured(), 0.6), one.factor.hessian.double()


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
    room = {"cholesky in chunks": 2 * 24**2, "a row at a time": 1}.get(how, 1 << 26)
    found = (
        refit(start, target, hessian, 60)
        if how == "cg"
        else refit_exactly(start, target, hessian, room=room)
    )
    for row in range(len(target)):
        kept = start[row] != 0
        wanted = torch.linalg.solve(hessian[kept][:, kept], hessian[kept] @ target[row])
        assert torch.allclose(found[row, kept], wanted, rtol=1e-7, atol=1e-9)
    assert torch.equal(found == 0, start == 0)


def test_refitting_under_a_metric_reaches_its_least_squares_on_the_support():
    """One system over all survivors: Σ_kl M_ik H_jl w_kl over the kept equals (M W* H)_ij."""
    target, start, hessian = wide_problem()
    metric = coupled(5, dtype=torch.float64)
    assert metric.matrix is not None
    kept = (start != 0).reshape(-1)
    system = torch.kron(metric.matrix, hessian)
    wanted = torch.zeros(kept.shape, dtype=torch.float64)
    wanted[kept] = torch.linalg.solve(system[kept][:, kept], (system @ target.reshape(-1))[kept])
    found = refit(start, target, hessian, 400, metric)
    assert torch.allclose(found, wanted.view_as(found), rtol=1e-6, atol=1e-8)
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
        "apart": Metric(coupled(rows, seed).diagonal),
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
    after = _refitted(solved, one, Method("", "", "", solver, refit=refit_name, steps=10))
    assert after.dtype == kind and torch.equal(after == 0, solved == 0)
    room = 1e-5 if kind == torch.float32 else 1e-12
    scale = own_loss(
        torch.zeros_like(solved), one
    )  # what single precision rounds is a share of this
    assert own_loss(after, one) <= own_loss(solved, one) + room * scale
    if refit_name in ("exact", "cholesky"):
        assert own_loss(after, one) == pytest.approx(
            best_loss(solved, one), rel=1e-7, abs=room * scale
        )


def test_an_exact_refit_that_does_not_settle_is_an_error(monkeypatch: pytest.MonkeyPatch):
    target, start, hessian = wide_problem()
    monkeypatch.setattr(solvers_module, "MOST", 3)
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
    apart = Metric(torch.tensor([5.0, 0.1, 1.0, 2.0, 7.0], dtype=torch.float64))
    assert torch.equal(refit(start, target, hessian, 4, apart), refit(start, target, hessian, 4))


def test_a_curve_is_the_loss_of_the_sweeps():
    one, metric, apart = problem(12, 40), coupled(12), coupled(7, 1)
    others = replace(one, target=one.target[:7] * 1.5)
    found = loss_curves([one.target, others.target], one.factor, [metric, apart])
    for each, outputs, curve in ((one, metric, found[0]), (others, apart, found[1])):
        swept = [
            solver_named("sparsegpt")(replace(each, sparsity=level, metric=outputs))
            for level in GRID
        ]
        assert curve == pytest.approx(
            [metric_loss(weights, each, outputs) for weights in swept], rel=1e-4
        )
        assert curve == sorted(curve) and curve[0] > 0


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


def test_the_exact_solver_refuses_no_level_of_a_row():
    one = problem(3, 10, 0.0, Unstructured(per_row=True))
    assert torch.equal(solver_named("obc")(one), one.target)
    with pytest.raises(SettingError, match="outside"):
        solver_named("joint")(replace(one, sparsity=1.0))


def test_inputs_that_nearly_add_up_are_solved_exactly_in_double():
    """LayerNorm's outputs add up to a constant: with hardly any ridge, single precision has no
    digits left for what goes.
    """
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(600, 32, generator=generator, dtype=torch.float64)
    inputs -= inputs.mean(dim=1, keepdim=True)
    weights = torch.randn(8, 32, generator=generator, dtype=torch.float64)
    wide = factorise(inputs.T @ inputs / 600, 1e-9, absolute=True)
    single = Factor(wide.hessian.float(), wide.upper.float(), wide.damping)
    assert single.pivot < 1e-6 and single.coarse and not wide.coarse
    rows, solve = Unstructured(per_row=True), solver_named("obc")
    found = solve(Problem(weights.float(), single, wide.hessian.diagonal().float(), 0.75, rows))
    wanted = solve(Problem(weights, wide, wide.hessian.diagonal(), 0.75, rows))
    assert found.dtype == torch.float32 and torch.equal(found == 0, wanted == 0)
    assert torch.allclose(found.double(), wanted, rtol=1e-3, atol=1e-5)

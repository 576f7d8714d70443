"""Masks and updates of the solvers, against slow float64 oracles."""

import math

import pytest
import torch
from torch import Tensor

from engine.errors import SettingError
from engine.pruning.solvers import blocked, check_sparsity, magnitude, refit
from engine.pruning.targets import Factor, factorise

SPARSITIES = [0.01, 0.1, 0.25, 1 / 3, 0.5, 0.617, 0.75, 0.875, 0.95, 0.999]


def problem(rows: int, width: int, seed: int = 0) -> tuple[Tensor, Factor]:
    """Weights and the factor of correlated inputs, in single precision."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(4 * width, width, generator=generator) @ torch.randn(width, width, generator=generator)
    return torch.randn(rows, width, generator=generator), factorise(inputs.T @ inputs / len(inputs), 0.01)


def column_by_column(target: Tensor, hessian: Tensor, sparsity: float) -> Tensor:
    """SparseGPT one column at a time: w_j leaves, the columns after it move by the inverse Hessian of those still open."""
    weights = target.double().clone()
    width = weights.shape[1]
    inverses = [torch.linalg.inv(hessian.double()[j:, j:]) for j in range(width)]
    total = math.floor(target.numel() * sparsity + 0.5)
    for start in range(0, width, 128):
        stop = min(start + 128, width)
        due = round(total * stop / width) - round(total * start / width)
        cost = torch.stack([weights[:, j].square() / inverses[j][0, 0] for j in range(start, stop)], dim=1)
        removed = torch.zeros(cost.numel(), dtype=torch.bool)
        removed[cost.flatten().argsort(stable=True)[:due]] = True
        removed = removed.view_as(cost)
        for j in range(start, stop):
            for row in torch.nonzero(removed[:, j - start]).flatten().tolist():
                weights[row, j:] -= weights[row, j] / inverses[j][0, 0] * inverses[j][0]
                weights[row, j] = 0.0
    return weights


@pytest.mark.parametrize(("rows", "width"), [(8, 96), (16, 128), (24, 300)])
@pytest.mark.parametrize("sparsity", [0.3, 0.7])
def test_blocked_is_sparsegpt(rows: int, width: int, sparsity: float):
    target, factor = problem(rows, width)
    wanted = column_by_column(target, factor.hessian, sparsity)
    found = blocked(target, factor, sparsity).double()
    assert torch.equal(found == 0, wanted == 0)
    assert float((found - wanted).norm() / wanted.norm()) < 1e-5


@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize(("rows", "width"), [(3, 7), (5, 129), (7, 260)])
def test_zeros_are_exact(rows: int, width: int, sparsity: float):
    target, factor = problem(rows, width)
    wanted = math.floor(rows * width * sparsity + 0.5)
    solved = blocked(target, factor, sparsity)
    assert int((solved == 0).sum()) == wanted
    assert int((refit(solved, target, factor.hessian, 5) == 0).sum()) == wanted
    assert int((magnitude(target, sparsity) == 0).sum()) == wanted


def test_sparsity_zero_leaves_the_weights():
    target, factor = problem(6, 140)
    assert torch.equal(blocked(target, factor, 0.0), target)
    assert torch.equal(magnitude(target, 0.0), target)


def test_solvers_leave_their_target_alone():
    target, factor = problem(6, 140)
    before = target.clone()
    refit(blocked(target, factor, 0.5), target, factor.hessian, 3)
    magnitude(target, 0.5)
    assert torch.equal(target, before)


def test_ties_are_broken_by_position():
    wanted = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
    alike = torch.ones(2, 6)
    assert torch.equal(magnitude(alike, 0.5), wanted)
    assert torch.equal(blocked(alike, factorise(torch.eye(6), 0.01), 0.5), wanted)


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5, float("nan")])
def test_sparsity_outside_its_range_is_an_error(sparsity: float):
    with pytest.raises(SettingError, match="outside"):
        check_sparsity(sparsity)


def test_magnitude_removes_exactly_the_smallest():
    target = torch.tensor([[3.0, -0.1, 0.2], [-5.0, 0.3, -4.0]])
    assert torch.equal(magnitude(target, 0.5), torch.tensor([[3.0, 0.0, 0.0], [-5.0, 0.0, -4.0]]))


def wide_problem() -> tuple[Tensor, Tensor, Tensor]:
    """(W*, a sparse start, H + Λ) in double precision."""
    target, factor = problem(5, 24, seed=3)
    return target.double(), magnitude(target, 0.6).double(), factor.hessian.double()


def loss(weights: Tensor, target: Tensor, hessian: Tensor) -> Tensor:
    """(rows,)"""
    return (((target - weights) @ hessian) * (target - weights)).sum(dim=1)


def test_refit_never_raises_the_loss_of_a_row():
    target, start, hessian = wide_problem()
    losses = torch.stack([loss(refit(start, target, hessian, steps), target, hessian) for steps in range(15)])
    assert bool((losses[1:] <= losses[:-1] * (1 + 1e-12)).all())
    assert bool((losses[-1] < losses[0]).all())


def test_refit_reaches_least_squares_on_the_support():
    target, start, hessian = wide_problem()
    found = refit(start, target, hessian, 60)
    for row in range(len(target)):
        kept = start[row] != 0
        wanted = torch.linalg.solve(hessian[kept][:, kept], hessian[kept] @ target[row])
        assert torch.allclose(found[row, kept], wanted, rtol=1e-7, atol=1e-9)


def test_refit_keeps_the_mask():
    target, start, hessian = wide_problem()
    assert torch.equal(refit(start, target, hessian, 8) == 0, start == 0)


def test_refit_of_a_solved_row_stays_finite():
    target, _, hessian = wide_problem()
    assert torch.equal(refit(target, target, hessian, 5), target)

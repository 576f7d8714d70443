"""The exact greedy solver against a slow float64 oracle: one row, one weight and one full inverse
at a time.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning import obc as module
from prunescope.engine.pruning.obc import remove_one_by_one
from prunescope.engine.pruning.patterns import Unstructured
from prunescope.engine.pruning.sparsegpt import sweep
from prunescope.engine.pruning.targets import factorise

Group = tuple[int, int] | None


def problem(
    rows: int, width: int, seed: int = 0, damping: float = 0.01, samples: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, damped Hessian of correlated inputs and its inverse, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=generator, dtype=torch.float64) / width**0.5
    inputs = (
        torch.randn(max(1, int(samples * width)), width, generator=generator, dtype=torch.float64)
        @ mix
    )
    hessian = inputs.T @ inputs / len(inputs)
    hessian += damping * hessian.diagonal().mean() * torch.eye(width, dtype=torch.float64)
    inverse = torch.linalg.inv(hessian)
    return (
        torch.randn(rows, width, generator=generator, dtype=torch.float64),
        hessian,
        (inverse + inverse.T) / 2,
    )


def oracle(
    target: Tensor, inverse: Tensor, per_row: int, group: Group = None
) -> tuple[Tensor, list[list[int]]]:
    """The sparse weights, and the order in which each row lost its weights."""
    found = target.double().clone()
    orders = []
    for weights in found:
        left = inverse.double().clone()
        order: list[int] = []
        for _ in range(per_row):
            allowed = [j for j in range(len(weights)) if j not in order]
            if group is not None:
                keep, size = group
                allowed = [
                    j for j in allowed if sum(i // size == j // size for i in order) < size - keep
                ]
            p = min(allowed, key=lambda j: float(weights[j] ** 2 / left[j, j]))
            weights -= weights[p] / left[p, p] * left[:, p]
            left -= torch.outer(left[:, p], left[p, :]) / left[p, p]
            order.append(p)
            weights[order] = 0.0
        orders.append(order)
    return found, orders


def loss(weights: Tensor, target: Tensor, hessian: Tensor) -> float:
    """Σ over rows of (w* − w)ᵀ H (w* − w)."""
    missing = (target - weights).double()
    return float(((missing @ hessian) * missing).sum())


def small(monkeypatch: pytest.MonkeyPatch, block: int, rows: int, width: int) -> None:
    """Blocks of a few steps and chunks of a few rows, so that small matrices meet every path."""
    monkeypatch.setattr(module, "BLOCK", block)
    monkeypatch.setattr(module, "MEMORY", {"cpu": rows * width * width * 8})


@pytest.mark.parametrize("block", [1, 5, 128])
@pytest.mark.parametrize(("rows", "width"), [(1, 9), (5, 24), (7, 40)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.7, 0.9])
def test_weights_and_support_are_the_oracles(
    monkeypatch: pytest.MonkeyPatch, block: int, rows: int, width: int, share: float
):
    small(monkeypatch, block, 3, width)
    target, _, inverse = problem(rows, width)
    expected, _ = oracle(target, inverse, int(share * width))
    found = remove_one_by_one(target, inverse, int(share * width))
    assert torch.equal(found == 0, expected == 0)
    assert float((found - expected).abs().max()) < 1e-9


def test_weights_leave_in_the_oracles_order(monkeypatch: pytest.MonkeyPatch):
    small(monkeypatch, 4, 2, 20)
    target, _, inverse = problem(3, 20, seed=3)
    _, orders = oracle(target, inverse, 19)
    gone = torch.zeros(3, 20, dtype=torch.bool)
    for count in range(1, 20):
        now = remove_one_by_one(target, inverse, count) == 0
        assert [int(j) for j in (now & ~gone).int().argmax(dim=1)] == [
            order[count - 1] for order in orders
        ]
        gone = now


@pytest.mark.parametrize("per_row", [0, 1, 23, 24])
def test_ends_of_the_range(monkeypatch: pytest.MonkeyPatch, per_row: int):
    small(monkeypatch, 4, 2, 24)
    target, _, inverse = problem(5, 24)
    before = target.clone(), inverse.clone()
    found = remove_one_by_one(target, inverse, per_row)
    assert float((found - oracle(target, inverse, per_row)[0]).abs().max()) < 1e-9
    assert ((found == 0).sum(dim=1) == per_row).all()
    assert torch.equal(target, before[0]) and torch.equal(inverse, before[1])
    assert found.data_ptr() != target.data_ptr()


def test_inverse_of_a_single_row_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    small(monkeypatch, 2, 1, 40)
    target, _, inverse = problem(1, 40)
    before = inverse.clone()
    remove_one_by_one(target, inverse, 20)
    assert torch.equal(inverse, before)


@pytest.mark.parametrize("group", [(2, 4), (4, 8), (1, 4), (3, 4), (0, 4), (4, 4)])
@pytest.mark.parametrize("block", [3, 128])
def test_groups_keep_their_share(
    monkeypatch: pytest.MonkeyPatch, group: tuple[int, int], block: int
):
    small(monkeypatch, block, 3, 32)
    target, _, inverse = problem(5, 32)
    keep, size = group
    per_row = 32 * (size - keep) // size
    expected, _ = oracle(target, inverse, per_row, group)
    found = remove_one_by_one(target, inverse, per_row, group)
    assert ((found.view(5, -1, size) != 0).sum(dim=2) == keep).all()
    assert torch.equal(found == 0, expected == 0)
    assert float((found - expected).abs().max()) < 1e-9


@pytest.mark.parametrize(
    ("per_row", "group"),
    [(-1, None), (25, None), (11, (2, 4)), (12, (2, 5)), (12, (5, 4)), (12, (0, 0))],
)
def test_what_does_not_fit_is_refused(per_row: int, group: Group):
    target, _, inverse = problem(2, 24)
    with pytest.raises(SettingError):
        remove_one_by_one(target, inverse, per_row, group)


@given(
    rows=st.integers(1, 6),
    width=st.integers(2, 24),
    share=st.floats(0, 1),
    block=st.integers(1, 9),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_survivors_are_least_squares_on_their_support(
    rows: int, width: int, share: float, block: int, seed: int
):
    with pytest.MonkeyPatch.context() as patch:
        small(patch, block, 2, width)
        target, hessian, inverse = problem(rows, width, seed)
        found = remove_one_by_one(target, inverse, round(share * width))
    for expected, weights in zip(target, found, strict=True):
        support = weights.nonzero()[:, 0]
        assert len(support) == width - round(share * width)
        best = torch.linalg.solve(hessian[support][:, support], (hessian @ expected)[support])
        assert torch.allclose(weights[support], best, rtol=1e-9, atol=1e-9)


def test_rows_and_chunks_are_independent(monkeypatch: pytest.MonkeyPatch):
    target, _, inverse = problem(9, 48)
    whole = remove_one_by_one(target, inverse, 36)
    assert torch.equal(remove_one_by_one(target, inverse, 36), whole)
    assert (
        float((remove_one_by_one(target.flip(0), inverse, 36).flip(0) - whole).abs().max()) < 1e-12
    )
    for rows in (1, 2, 4):
        small(monkeypatch, 8, rows, 48)
        found = remove_one_by_one(target, inverse, 36)
        assert torch.equal(found == 0, whole == 0)
        assert float((found - whole).abs().max()) < 1e-11


def test_ties_go_to_the_lowest_position(monkeypatch: pytest.MonkeyPatch):
    small(monkeypatch, 2, 1, 12)
    found = remove_one_by_one(torch.ones(2, 12), torch.eye(12), 7)
    assert torch.equal(found, torch.tensor([0.0] * 7 + [1.0] * 5).repeat(2, 1))
    found = remove_one_by_one(torch.ones(2, 12), torch.eye(12), 6, (2, 4))
    assert torch.equal(found, torch.tensor([0.0, 0.0, 1.0, 1.0] * 3).repeat(2, 1))


def test_single_precision_follows_double(monkeypatch: pytest.MonkeyPatch):
    small(monkeypatch, 32, 2, 160)
    target, hessian, inverse = problem(4, 160)
    for per_row in (80, 140):
        expected, _ = oracle(target, inverse, per_row)
        found = remove_one_by_one(target.float(), inverse.float(), per_row)
        assert found.dtype == torch.float32
        assert loss(found, target, hessian) < 1.001 * loss(expected, target, hessian)


@pytest.mark.parametrize("damping", [1e-5, 1e-6])
def test_single_precision_stands_a_nearly_singular_hessian(damping: float):
    target, hessian, inverse = problem(3, 128, damping=damping, samples=0.25)
    for per_row in (64, 96, 100):  # up to, at and beyond the rank that is missing
        expected, _ = oracle(target, inverse, per_row)
        found = remove_one_by_one(target.float(), inverse.float(), per_row)
        assert loss(found, target, hessian) < 1.1 * loss(expected, target, hessian)


@pytest.mark.parametrize("damping", [1e-8, 1e-12])
def test_weights_stay_finite_where_single_precision_fails(damping: float):
    target, _, inverse = problem(3, 256, damping=damping, samples=0.25)
    for per_row in (192, 200, 250):
        found = remove_one_by_one(target.float(), inverse.float(), per_row)
        assert found.isfinite().all()
        assert ((found == 0).sum(dim=1) == per_row).all()


def test_loss_is_below_that_of_the_sweep():
    better = 0
    for seed in range(10):
        target, hessian, _ = problem(8, 96, seed)
        factor = factorise(hessian.float(), 0.01)
        damped = factor.hessian.double()
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
        swept = loss(sweep(target.float(), factor.upper, Unstructured(), 0.5), target, damped)
        better += (
            loss(remove_one_by_one(target.float(), inverse.float(), 48), target, damped)
            < 0.9 * swept
        )
    assert better >= 9


def test_report_can_cancel(monkeypatch: pytest.MonkeyPatch):
    small(monkeypatch, 4, 2, 24)
    target, _, inverse = problem(6, 24)
    calls = []
    remove_one_by_one(target, inverse, 12, report=lambda: calls.append(1))
    assert len(calls) == 9  # three chunks of three blocks

    def stop() -> None:
        calls.append(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove_one_by_one(target, inverse, 12, report=stop)
    assert len(calls) == 10

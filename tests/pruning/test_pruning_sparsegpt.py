"""The blocked sweep of every pattern, against a float64 oracle that goes column by column through
inverse Hessians.
"""

import math

import pytest
import torch
from torch import Tensor

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning import sparsegpt as module
from prunescope.engine.pruning.patterns import NofM, Pattern, Unstructured
from prunescope.engine.pruning.selection import smallest, smallest_of_each
from prunescope.engine.pruning.sparsegpt import sweep, sweep_many
from prunescope.engine.pruning.targets import Factor, factorise

SPARSITIES = [0.01, 0.1, 0.25, 1 / 3, 0.5, 0.617, 0.75, 0.875, 0.95, 0.999]
ANYWHERE, BY_ROW = Unstructured(), Unstructured(per_row=True)
CASES: list[tuple[Pattern, int, int]] = [
    (ANYWHERE, 8, 96),
    (ANYWHERE, 16, 128),
    (ANYWHERE, 24, 300),
    (BY_ROW, 9, 96),
    (BY_ROW, 5, 300),
    (NofM(2, 4), 9, 140),
    (NofM(4, 8), 5, 264),
    (NofM(32, 64), 4, 192),
    (NofM(1, 3), 6, 51),
    (NofM(25, 50), 3, 200),
    (NofM(7, 7), 3, 14),
]
ROW_WISE: list[Pattern] = [BY_ROW, NofM(2, 4), NofM(35, 70)]


def problem(rows: int, width: int, seed: int = 0) -> tuple[Tensor, Factor]:
    """Weights and the factor of correlated inputs, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(4 * width, width, generator=generator) @ torch.randn(
        width, width, generator=generator
    )
    weights = torch.randn(rows, width, generator=generator)
    return weights.double(), factorise((inputs.T @ inputs / len(inputs)).double(), 0.01)


def first(cost: Tensor, count: int) -> Tensor:
    """The `count` smallest of a flat tensor, ties from the left."""
    mask = torch.zeros(cost.numel(), dtype=torch.bool)
    mask[cost.flatten().argsort(stable=True)[:count]] = True
    return mask.view_as(cost)


def oracle(
    target: Tensor, hessian: Tensor, pattern: Pattern, sparsity: float, importance: Tensor
) -> Tensor:
    """w_j leaves and the columns after it move by the inverse Hessian of those still open, one
    weight at a time.
    """
    weights = target.clone()
    width = weights.shape[1]
    # of H[j:, j:]: Gaussian elimination takes one input out of the one before
    inverses = [torch.linalg.inv(hessian)]
    for _ in range(width - 1):
        last = inverses[-1]
        inverses.append((last - torch.outer(last[:, 0], last[0]) / last[0, 0])[1:, 1:])
    step = pattern.m if isinstance(pattern, NofM) else 128
    for start in range(0, width, step):
        stop = min(start + step, width)
        cost = torch.stack(
            [weights[:, j].square() / inverses[j][0, 0] for j in range(start, stop)], dim=1
        )
        cost *= importance.unsqueeze(1)
        if isinstance(pattern, NofM):
            removed = torch.stack([first(row, pattern.m - pattern.n) for row in cost])
        else:
            total = (
                math.floor(width * sparsity + 1e-9)
                if pattern.per_row
                else math.floor(target.numel() * sparsity + 0.5)
            )
            due = round(total * stop / width) - round(total * start / width)
            removed = (
                torch.stack([first(row, due) for row in cost])
                if pattern.per_row
                else first(cost, due)
            )
        for j in range(start, stop):
            for row in torch.nonzero(removed[:, j - start]).flatten().tolist():
                weights[row, j:] -= weights[row, j] / inverses[j][0, 0] * inverses[j][0]
                weights[row, j] = 0.0
    return weights


@pytest.mark.parametrize(("pattern", "rows", "width"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sparsity", [0.3, 0.7])
def test_the_sweep_is_the_oracle(
    pattern: Pattern, rows: int, width: int, weighted: bool, sparsity: float
):
    target, factor = problem(rows, width)
    importance = torch.arange(1.0, rows + 1).double() if weighted else None
    expected = oracle(
        target,
        factor.hessian,
        pattern,
        sparsity,
        torch.ones(rows) if importance is None else importance,
    )
    found = sweep(target, factor.upper, pattern, sparsity, importance)
    assert torch.equal(found == 0, expected == 0)
    assert float((found - expected).norm() / expected.norm()) < 1e-9


@pytest.mark.parametrize("pattern", [ANYWHERE, *ROW_WISE])
def test_a_leaf_in_one_solve_is_the_leaf_column_by_column(pattern: Pattern):
    target, factor = problem(7, 140)
    sweep = module._Sweep(
        target.T.clone(),
        torch.zeros(140, 7).double(),
        factor.upper,
        factor.upper.diagonal().reciprocal().unsqueeze(1),
        None,
        128,
        smallest,
    )
    scale = (torch.rand(21, 7, generator=torch.Generator().manual_seed(1)) < 0.6) * sweep.inverse[
        30:51
    ]
    sweep.solve_by_column(30, 51, scale)
    expected = sweep.errors.clone()
    sweep.weights.copy_(target.T)
    sweep.solve_at_once(30, 51, scale)
    assert torch.allclose(sweep.errors, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize(("rows", "width"), [(3, 7), (5, 129), (7, 260)])
def test_zeros_are_exact(rows: int, width: int, sparsity: float):
    target, factor = problem(rows, width)
    single = (target.float(), factor.upper.float())
    assert int((sweep(*single, ANYWHERE, sparsity) == 0).sum()) == math.floor(
        rows * width * sparsity + 0.5
    )
    by_row = (sweep(*single, BY_ROW, sparsity) == 0).sum(dim=1)
    assert by_row.tolist() == [math.floor(width * sparsity + 1e-9)] * rows


@pytest.mark.parametrize(
    "pattern", [NofM(2, 4), NofM(1, 4), NofM(4, 8), NofM(32, 64), NofM(64, 192)]
)
def test_every_group_keeps_n_of_m(pattern: NofM):
    target, factor = problem(5, 192)
    found = sweep(target.float(), factor.upper.float(), pattern, 0.9)
    assert bool(((found.view(5, -1, pattern.m) != 0).sum(dim=2) == pattern.n).all())


@pytest.mark.parametrize("pattern", ROW_WISE)
def test_rows_do_not_know_each_other(pattern: Pattern):
    target, factor = problem(8, 140)
    order = torch.tensor([5, 2, 7, 0, 1, 6, 3, 4])
    whole = sweep(target, factor.upper, pattern, 0.6)
    assert torch.allclose(
        sweep(target[order], factor.upper, pattern, 0.6), whole[order], rtol=1e-11, atol=1e-13
    )
    padded = sweep(torch.cat([target, torch.zeros(3, 140)]), factor.upper, pattern, 0.6)
    assert torch.allclose(padded[:8], whole, rtol=1e-11, atol=1e-13)
    assert not padded[8:].any()


@pytest.mark.parametrize("pattern", [ANYWHERE, *ROW_WISE])
def test_importance_alike_changes_nothing(pattern: Pattern):
    target, factor = problem(6, 140)
    alike = sweep(target, factor.upper, pattern, 0.5, torch.full((6,), 4.0).double())
    assert torch.equal(alike, sweep(target, factor.upper, pattern, 0.5))


def test_important_rows_keep_more():
    target, factor = problem(6, 140)
    kept = (
        sweep(target, factor.upper, ANYWHERE, 0.5, torch.tensor([1e6, 1, 1, 1, 1, 1]).double()) != 0
    ).sum(dim=1)
    assert kept[0] == 140 and int(kept.sum()) == 420


@pytest.mark.parametrize("pattern", [ANYWHERE, BY_ROW, NofM(4, 4)])
def test_nothing_to_remove_leaves_the_weights(pattern: Pattern):
    target, factor = problem(6, 140)
    assert torch.equal(sweep(target, factor.upper, pattern, 0.0), target)


@pytest.mark.parametrize("rows", [1, 6])
def test_the_target_is_left_alone_and_the_answer_contiguous(rows: int):
    target, factor = problem(rows, 140)
    before = target.clone()
    assert sweep(target, factor.upper, ANYWHERE, 0.5).is_contiguous()
    assert torch.equal(target, before)


def test_ties_are_broken_by_position():
    alike, upper = torch.ones(2, 8), factorise(torch.eye(8), 0.01).upper
    assert torch.equal(sweep(alike, upper, ANYWHERE, 0.5), torch.tensor([[0.0] * 8, [1.0] * 8]))
    assert torch.equal(sweep(alike, upper, BY_ROW, 0.5), torch.tensor([[0.0] * 4 + [1.0] * 4] * 2))
    assert torch.equal(
        sweep(alike, upper, NofM(2, 4), 0.5), torch.tensor([[0.0, 0.0, 1.0, 1.0] * 2] * 2)
    )


@pytest.mark.parametrize("count", [0, 1, 17, 39, 40])
def test_selection_is_a_stable_sort(count: int):
    scores = torch.randint(0, 4, (8, 5), generator=torch.Generator().manual_seed(count)).float()
    assert torch.equal(smallest(scores, count), first(scores, count))
    assert torch.equal(smallest(scores.T, count), first(scores.T, count))
    few = count // 8
    assert torch.equal(
        smallest_of_each(scores, few), torch.stack([first(row, few) for row in scores])
    )


def test_a_width_that_no_group_divides_is_an_error():
    with pytest.raises(SettingError, match="multiple of 4 inputs, not 7"):
        sweep(torch.ones(2, 7), torch.eye(7), NofM(2, 4), 0.5)


def test_sweeps_in_one_equal_sweeps_apart():
    target, factor = problem(11, 300)
    cases = [
        (target, 0.3, torch.ones(11).double()),
        (target[:4], 0.9, torch.linspace(0.1, 3, 4).double()),
        (2 * target, 0.3, torch.linspace(3, 1, 11).double()),
    ]
    targets, sparsities, weights = zip(*cases, strict=True)
    for found, (one, sparsity, importance) in zip(
        sweep_many(targets, factor.upper, sparsities, weights), cases, strict=True
    ):
        alone = sweep(one, factor.upper, ANYWHERE, sparsity, importance)
        assert torch.equal(found == 0, alone == 0) and torch.allclose(
            found, alone, rtol=1e-11, atol=1e-13
        )

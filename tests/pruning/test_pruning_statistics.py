"""Gram: running sums over tokens against naive float64 sums over all of them at once."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from prunescope.engine.pruning.statistics import Gram

Draw = Callable[..., Tensor]
# (d_out, d_in): the drift is summed behind the layer where d_out <= d_in, else before
SHAPES = [
    (6, 10),
    (10, 6),
    (7, 7),
]
TOKENS = 50


class Case:
    """One layer's numbers, and the slow sums over them."""

    def __init__(self, draw: Draw, shape: tuple[int, int], weighted: bool) -> None:
        rows, width = shape
        self.weight, self.sparse, self.dense = (
            draw(rows, width, seed=1),
            draw(TOKENS, width, seed=2),
            draw(TOKENS, width, seed=3),
        )
        self.sparse, self.dense = self.sparse + 2.0, self.dense - 1.0  # means that are not zero
        self.by_outputs = rows <= width
        # before the layer there is no place for a residual
        self.residual = (
            draw(TOKENS, rows, seed=4)
            if self.by_outputs
            else torch.zeros(TOKENS, rows, dtype=torch.float64)
        )
        self.weights = draw(TOKENS, seed=5).square() if weighted else None
        self.expected = (
            self.dense @ self.weight.T + self.residual if self.by_outputs else self.dense
        )

    def add(self, gram: Gram, rows: slice | Tensor = slice(None)) -> None:
        gram.add(
            self.sparse[rows],
            self.expected[rows],
            None if self.weights is None else self.weights[rows],
        )

    def gram(self, centred: bool = False) -> Gram:
        made = Gram(self.weight, centred)
        self.add(made)
        return made

    def sums(self, centred: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(H, C, mean of x_s, mean of the drift), token by token."""
        share = torch.ones(TOKENS, dtype=torch.float64) if self.weights is None else self.weights
        share = share / share.sum()
        drift = self.dense @ self.weight.T + self.residual - self.sparse @ self.weight.T
        mean = sum((w * x for w, x in zip(share, self.sparse, strict=True)), torch.zeros(()))
        mean_drift = sum((w * d for w, d in zip(share, drift, strict=True)), torch.zeros(()))
        x = self.sparse - mean if centred else self.sparse
        d = drift - mean_drift if centred else drift
        hessian = sum(
            (w * torch.outer(a, a) for w, a in zip(share, x, strict=True)), torch.zeros(())
        )
        cross = sum(
            (w * torch.outer(e, a) for w, e, a in zip(share, d, x, strict=True)), torch.zeros(())
        )
        return hessian, cross, mean, mean_drift


@pytest.fixture(params=SHAPES, ids=str)
def shape(request: pytest.FixtureRequest) -> tuple[int, int]:
    return request.param


@pytest.fixture(params=[False, True], ids=["alike", "weighted"])
def case(draw: Draw, shape: tuple[int, int], request: pytest.FixtureRequest) -> Case:
    return Case(draw, shape, request.param)


def same(found: Tensor | None, expected: Tensor | None) -> bool:
    return (
        found is not None
        and expected is not None
        and torch.allclose(found, expected, rtol=1e-11, atol=1e-11)
    )


def alike(found: Gram, expected: Gram) -> bool:
    pairs = [
        (getattr(found, name)(), getattr(expected, name)())
        for name in ("hessian", "drift", "mean", "mean_drift", "power")
    ]
    return (
        found.tokens == expected.tokens
        and found.mass == pytest.approx(expected.mass)
        and all(same(a, b) for a, b in pairs)
    )


@pytest.mark.parametrize("centred", [False, True])
def test_all_of_it_is_the_naive_sum(case: Case, centred: bool):
    gram = case.gram(centred)
    hessian, cross, mean, mean_drift = case.sums(centred)
    assert gram.by_outputs == case.by_outputs
    assert same(gram.hessian(), hessian)
    assert same(gram.drift(), cross)
    assert same(gram.mean(), mean if centred else 0 * mean)
    assert same(gram.mean_drift(), mean_drift if centred else 0 * mean_drift)
    assert same(gram.power(), case.sums(False)[0].diagonal())


def test_tokens_are_counted_and_weights_summed(draw: Draw):
    case = Case(draw, (6, 10), weighted=True)
    gram = case.gram()
    assert (gram.tokens, gram.mass) == (TOKENS, pytest.approx(float(case.weights.sum())))  # type: ignore[union-attr]
    assert Case(draw, (6, 10), weighted=False).gram().mass == TOKENS


def test_a_weight_of_two_is_the_token_twice_and_of_zero_none(draw: Draw):
    case = Case(draw, (6, 10), weighted=False)
    weighted, repeated = Gram(case.weight, True), Gram(case.weight, True)
    case.weights = torch.tensor([2.0, 0.0, 1.0] + [0.0] * (TOKENS - 3), dtype=torch.float64)
    case.add(weighted)
    case.weights = None
    case.add(repeated, torch.tensor([0, 0, 2]))
    assert same(weighted.hessian(), repeated.hessian()) and same(weighted.drift(), repeated.drift())
    assert same(weighted.mean_drift(), repeated.mean_drift())


@pytest.mark.parametrize("factor", [1e-3, 40.0])
def test_the_size_of_the_weights_does_not_matter(draw: Draw, factor: float):
    case = Case(draw, (6, 10), weighted=True)
    before = case.gram(True)
    case.weights = case.weights * factor  # type: ignore[operator]
    assert same(case.gram(True).hessian(), before.hessian()) and same(
        case.gram(True).drift(), before.drift()
    )


@pytest.mark.parametrize("width", [7, 384, 385, 900])
def test_hessian_is_the_naive_sum_at_any_width(draw: Draw, width: int):
    sparse = draw(20, width, seed=2)
    gram = Gram(draw(3, width))
    gram.add(sparse, None)
    assert same(gram.hessian(), sparse.T @ sparse / 20)


@pytest.mark.parametrize("centred", [False, True])
def test_hessian_is_symmetric_to_the_bit(draw: Draw, centred: bool):
    gram = Gram(draw(3, 500).float(), centred)
    gram.add(draw(50, 500, seed=2).float(), None, draw(50, seed=3).float().square())
    assert torch.equal(gram.hessian(), gram.hessian().T)


@pytest.mark.parametrize("shape", [(40, 450), (450, 40)])
def test_single_precision_is_close_to_the_naive_sum(draw: Draw, shape: tuple[int, int]):
    case = Case(draw, shape, weighted=True)
    gram = Gram(case.weight.float())
    gram.add(case.sparse.float(), case.expected.float(), case.weights.float())  # type: ignore[union-attr]
    drift, expected = gram.drift(), case.sums(False)[1]
    assert drift is not None
    assert float((drift.double() - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("centred", [False, True])
def test_many_adds_equal_one(case: Case, centred: bool):
    parts = Gram(case.weight, centred)
    for start, stop in ((0, 1), (1, 30), (30, TOKENS)):
        case.add(parts, slice(start, stop))
    assert alike(parts, case.gram(centred))


@pytest.mark.parametrize("centred", [False, True])
def test_sum_of_two_equals_both_together(case: Case, centred: bool):
    first, second = Gram(case.weight, centred), Gram(case.weight, centred)
    case.add(first, slice(0, 20))
    case.add(second, slice(20, TOKENS))
    assert alike(first + second, case.gram(centred))


def test_the_order_of_tokens_does_not_matter(case: Case):
    mixed = Gram(case.weight, True)
    case.add(mixed, torch.randperm(TOKENS, generator=torch.Generator().manual_seed(7)))
    assert alike(mixed, case.gram(True))


def test_sum_leaves_its_terms_alone(draw: Draw):
    case = Case(draw, (6, 10), weighted=True)
    first, second = case.gram(), case.gram()
    before = first.hessian(), first.drift()
    case.add(first + second)
    assert torch.equal(first.hessian(), before[0])
    assert torch.equal(first.drift(), before[1])  # type: ignore[arg-type]
    assert first.tokens == TOKENS


def test_no_drift_is_none_until_something_moves(case: Case):
    still = Gram(case.weight)
    still.add(case.sparse, None)
    assert still.drift() is None
    assert torch.equal(still.mean_drift(), torch.zeros(len(case.weight), dtype=torch.float64))
    assert (still + case.gram()).drift() is not None


def test_no_drift_is_zero_where_nothing_moved(case: Case):
    gram = Gram(case.weight)
    gram.add(
        case.sparse, case.sparse @ case.weight.T if case.by_outputs else case.sparse, case.weights
    )
    drift = gram.drift()
    assert (
        drift is not None
        and float(drift.abs().max()) < 1e-10
        and float(gram.mean_drift().abs().max()) < 1e-10
    )

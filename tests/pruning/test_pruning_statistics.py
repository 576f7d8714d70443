"""Gram: running sums over tokens against naive float64 sums over all of them at once."""

import pytest
import torch
from torch import Tensor

from engine.pruning.statistics import Gram

WIDE, TALL = (6, 10), (10, 6)  # (d_out, d_in): drift through the outputs, drift through the inputs


def draw(rows: int, width: int, seed: int) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def layer(shape: tuple[int, int], tokens: int = 50) -> tuple[Tensor, Tensor, Tensor]:
    """(W, X_s, X_d) of one layer."""
    rows, width = shape
    return draw(rows, width, 1), draw(tokens, width, 2), draw(tokens, width, 3)


def same(found: Tensor | None, wanted: Tensor) -> bool:
    return found is not None and torch.allclose(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [WIDE, TALL])
def test_drift_is_the_naive_sum(shape: tuple[int, int]):
    weight, sparse, dense = layer(shape)
    gram = Gram(weight)
    gram.add(sparse, dense)
    assert same(gram.drift(), (dense @ weight.T - sparse @ weight.T).T @ sparse / 50)


def test_drift_takes_in_the_residuals_part():
    weight, sparse, dense = layer(WIDE)
    residual = draw(50, 6, 4)
    gram = Gram(weight)
    gram.add(sparse, dense, residual)
    assert same(gram.drift(), (dense @ weight.T - sparse @ weight.T + residual).T @ sparse / 50)


def test_residual_of_a_tall_layer_is_refused():
    weight, sparse, dense = layer(TALL)
    with pytest.raises(ValueError, match="d_out <= d_in"):
        Gram(weight).add(sparse, dense, draw(50, 10, 4))


@pytest.mark.parametrize("width", [7, 384, 385, 900])
def test_hessian_is_the_naive_sum_at_any_width(width: int):
    weight, sparse, _ = layer((3, width), tokens=20)
    gram = Gram(weight)
    gram.add(sparse, None)
    assert same(gram.hessian(), sparse.T @ sparse / 20)


def test_hessian_is_symmetric_to_the_bit():
    weight, sparse, _ = layer((3, 500))
    gram = Gram(weight.float())
    gram.add(sparse.float(), None)
    assert torch.equal(gram.hessian(), gram.hessian().T)


def test_single_precision_is_close_to_the_naive_sum():
    weight, sparse, dense = layer((40, 450), tokens=200)
    gram = Gram(weight.float())
    gram.add(sparse.float(), dense.float())
    drift, wanted = gram.drift(), ((dense - sparse) @ weight.T).T @ sparse / 200
    assert drift is not None
    assert float((drift.double() - wanted).norm() / wanted.norm()) < 1e-5


@pytest.mark.parametrize("shape", [WIDE, TALL])
def test_many_adds_equal_one(shape: tuple[int, int]):
    weight, sparse, dense = layer(shape)
    whole, parts = Gram(weight), Gram(weight)
    whole.add(sparse, dense)
    for start, stop in ((0, 1), (1, 30), (30, 50)):
        parts.add(sparse[start:stop], dense[start:stop])
    assert parts.tokens == 50
    assert same(parts.hessian(), whole.hessian())
    assert same(parts.drift(), whole.drift())  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [WIDE, TALL])
def test_sum_of_two_equals_both_together(shape: tuple[int, int]):
    weight, sparse, dense = layer(shape)
    whole, first, second = Gram(weight), Gram(weight), Gram(weight)
    whole.add(sparse, dense)
    first.add(sparse[:20], dense[:20])
    second.add(sparse[20:], dense[20:])
    both = first + second
    assert both.tokens == 50
    assert same(both.hessian(), whole.hessian())
    assert same(both.drift(), whole.drift())  # type: ignore[arg-type]


def test_sum_leaves_its_terms_alone():
    weight, sparse, dense = layer(WIDE)
    first, second = Gram(weight), Gram(weight)
    first.add(sparse[:20], dense[:20])
    second.add(sparse[20:], dense[20:])
    before = first.hessian(), first.drift()
    (first + second).add(sparse, dense)
    assert torch.equal(first.hessian(), before[0])
    assert torch.equal(first.drift(), before[1])  # type: ignore[arg-type]


def test_no_drift_is_none_until_something_moves():
    weight, sparse, dense = layer(WIDE)
    still, moved = Gram(weight), Gram(weight)
    still.add(sparse, None)
    moved.add(sparse, dense)
    assert still.drift() is None
    assert (still + moved).drift() is not None

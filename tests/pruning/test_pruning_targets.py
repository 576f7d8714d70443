"""The damped factor and the re-targeted weights, against direct float64 solutions."""

import pytest
import torch
from torch import Tensor

from engine.errors import NumericalError
from engine.pruning.statistics import Gram
from engine.pruning.targets import factorise, retarget

TOKENS, ROWS, WIDTH, DAMPING = 80, 6, 9, 0.01


def draw(rows: int, width: int, seed: int) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def weight() -> Tensor:
    return draw(ROWS, WIDTH, 0)


@pytest.fixture
def sparse() -> Tensor:
    return draw(TOKENS, WIDTH, 1) @ draw(WIDTH, WIDTH, 2)


@pytest.fixture
def dense(sparse: Tensor) -> Tensor:
    return sparse + 0.3 * draw(TOKENS, WIDTH, 3)


def target(weight: Tensor, sparse: Tensor, dense: Tensor | None, residual: Tensor | None, alpha: float) -> Tensor:
    gram = Gram(weight)
    gram.add(sparse, dense, residual)
    return retarget(weight, gram.drift(), factorise(gram.hessian(), DAMPING), alpha)


def least_squares(weight: Tensor, sparse: Tensor, dense: Tensor, residual: Tensor | float) -> Tensor:
    """argmin ‖X_d Wᵀ + R − X_s Ŵᵀ‖²/n + ridge ‖Ŵ − W‖² as one stacked least-squares problem."""
    ridge = DAMPING * float(sparse.square().mean())
    pull = (TOKENS * ridge) ** 0.5
    left = torch.cat([sparse, pull * torch.eye(WIDTH, dtype=torch.float64)])
    right = torch.cat([dense @ weight.T + residual, pull * weight.T])
    return torch.linalg.lstsq(left, right, driver="gelsd").solution.T


def test_target_is_the_direct_minimiser(weight: Tensor, sparse: Tensor, dense: Tensor):
    found = target(weight, sparse, dense, None, 1.0)
    assert torch.allclose(found, least_squares(weight, sparse, dense, 0.0), rtol=1e-9, atol=1e-9)


def test_target_with_residual_drift_is_the_direct_minimiser(weight: Tensor, sparse: Tensor, dense: Tensor):
    residual = draw(TOKENS, ROWS, 4)
    found = target(weight, sparse, dense, residual, 1.0)
    assert torch.allclose(found, least_squares(weight, sparse, dense, residual), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("alpha", [0.25, 0.5, 2.0])
def test_alpha_scales_the_correction(weight: Tensor, sparse: Tensor, dense: Tensor, alpha: float):
    full = target(weight, sparse, dense, None, 1.0) - weight
    assert torch.allclose(target(weight, sparse, dense, None, alpha) - weight, alpha * full, rtol=1e-9, atol=1e-12)


def test_without_drift_the_target_is_the_weights(weight: Tensor, sparse: Tensor):
    assert torch.equal(target(weight, sparse, sparse, None, 1.0), weight)
    assert torch.equal(target(weight, sparse, None, None, 1.0), weight)


def test_alpha_zero_leaves_a_copy_of_the_weights(weight: Tensor, sparse: Tensor, dense: Tensor):
    found = target(weight, sparse, dense, None, 0.0)
    assert torch.equal(found, weight)
    assert found.data_ptr() != weight.data_ptr()


def test_factor_inverts_the_damped_hessian(sparse: Tensor):
    hessian = sparse.T @ sparse / TOKENS
    factor = factorise(hessian, DAMPING)
    damped = hessian + DAMPING * hessian.diagonal().mean() * torch.eye(WIDTH, dtype=torch.float64)
    assert torch.allclose(factor.hessian, damped, rtol=1e-12)
    assert torch.equal(factor.upper, factor.upper.triu())
    assert torch.allclose(factor.upper.T @ factor.upper @ damped, torch.eye(WIDTH, dtype=torch.float64), atol=1e-10)
    assert factor.damping == DAMPING


def test_factor_keeps_the_precision_of_its_input(sparse: Tensor):
    factor = factorise((sparse.T @ sparse).float(), DAMPING)
    assert factor.upper.dtype == factor.hessian.dtype == torch.float32


def test_dead_input_is_harmless(weight: Tensor, sparse: Tensor, dense: Tensor):
    sparse[:, 4] = 0.0
    found = target(weight, sparse, dense, None, 1.0)
    assert bool(found.isfinite().all())
    assert torch.allclose(found[:, 4], weight[:, 4])


def test_inputs_that_are_all_dead_can_be_factored():
    factor = factorise(torch.zeros(5, 5), DAMPING)
    assert torch.equal(factor.upper, torch.eye(5))


def test_singular_statistics_raise_the_damping_and_record_it():
    hessian = torch.diag(torch.tensor([1.0, 1.0, 1.0, -0.02], dtype=torch.float64))
    assert factorise(hessian, 0.001).damping == pytest.approx(0.1)


def test_damping_of_zero_is_raised_too():
    factor = factorise(torch.ones(4, 4, dtype=torch.float64), 0.0)
    assert 0 < factor.damping <= 0.1


def test_hopeless_statistics_are_an_error():
    hessian = torch.diag(torch.tensor([1.0, 1.0, 1.0, -2.0], dtype=torch.float64))
    with pytest.raises(NumericalError, match="more calibration text"):
        factorise(hessian, DAMPING)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_an_error(value: float):
    hessian = torch.eye(4)
    hessian[1, 2] = value
    with pytest.raises(NumericalError, match="not finite"):
        factorise(hessian, DAMPING)

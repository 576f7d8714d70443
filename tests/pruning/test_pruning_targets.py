"""The damped factor and the re-targeted weights, against direct float64 solutions."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from prunescope.engine.errors import NumericalError
from prunescope.engine.pruning.statistics import Gram
from prunescope.engine.pruning.targets import (
    LEAST_PIVOT,
    MAX_DAMPING,
    adaptive_target,
    factorise,
    p1_target,
)

TOKENS, ROWS, WIDTH, DAMPING = 80, 6, 9, 0.01
Draw = Callable[..., Tensor]


@pytest.fixture
def weight(draw: Draw) -> Tensor:
    return draw(ROWS, WIDTH)


@pytest.fixture
def sparse(draw: Draw) -> Tensor:
    return draw(TOKENS, WIDTH, seed=1) @ draw(WIDTH, WIDTH, seed=2)


@pytest.fixture
def dense(sparse: Tensor, draw: Draw) -> Tensor:
    return sparse + 0.3 * draw(TOKENS, WIDTH, seed=3)


def gram_of(
    weight: Tensor, sparse: Tensor, dense: Tensor | None, residual: Tensor | float = 0.0
) -> Gram:
    gram = Gram(weight)
    expected = None if dense is None else dense @ weight.T + residual if gram.by_outputs else dense
    gram.add(sparse, expected)
    return gram


def target(weight: Tensor, gram: Gram, alpha: float = 1.0) -> Tensor:
    return adaptive_target(weight, gram.drift(), factorise(gram.hessian(), DAMPING), alpha)


def least_squares(
    weight: Tensor, sparse: Tensor, dense: Tensor, residual: Tensor | float
) -> Tensor:
    """argmin ‖X_d Wᵀ + R − X_s Ŵᵀ‖²/n + ridge ‖Ŵ − W‖² as one stacked least-squares problem."""
    ridge = DAMPING * float(sparse.square().mean())
    pull = (TOKENS * ridge) ** 0.5
    left = torch.cat([sparse, pull * torch.eye(WIDTH, dtype=torch.float64)])
    right = torch.cat([dense @ weight.T + residual, pull * weight.T])
    return torch.linalg.lstsq(left, right, driver="gelsd").solution.T


def close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-9, atol=1e-9)


# W*


@pytest.mark.parametrize("rows", [ROWS, WIDTH + 5])
def test_target_is_the_direct_minimiser(draw: Draw, sparse: Tensor, dense: Tensor, rows: int):
    weight = draw(rows, WIDTH)
    assert close(
        target(weight, gram_of(weight, sparse, dense)), least_squares(weight, sparse, dense, 0.0)
    )


def test_target_with_residual_drift_is_the_direct_minimiser(
    weight: Tensor, sparse: Tensor, dense: Tensor, draw: Draw
):
    residual = draw(TOKENS, ROWS, seed=4)
    found = target(weight, gram_of(weight, sparse, dense, residual))
    assert close(found, least_squares(weight, sparse, dense, residual))


def test_weighted_target_is_the_direct_minimiser(
    weight: Tensor, sparse: Tensor, dense: Tensor, draw: Draw
):
    """Scaling a token's rows by √ω is what its weight means."""
    omega = draw(TOKENS, seed=6).square() + 0.1
    omega = omega * TOKENS / omega.sum()
    gram = Gram(weight)
    gram.add(sparse, dense @ weight.T, omega)
    scale = omega.sqrt()[:, None]
    assert close(target(weight, gram), least_squares(weight, sparse * scale, dense * scale, 0.0))


@pytest.mark.parametrize("alpha", [0.25, 0.5, 2.0])
def test_alpha_scales_the_correction(weight: Tensor, sparse: Tensor, dense: Tensor, alpha: float):
    gram = gram_of(weight, sparse, dense)
    assert close(target(weight, gram, alpha) - weight, alpha * (target(weight, gram) - weight))


def test_without_drift_the_target_is_the_weights(weight: Tensor, sparse: Tensor):
    assert close(target(weight, gram_of(weight, sparse, sparse)), weight)
    assert torch.equal(target(weight, gram_of(weight, sparse, None)), weight)


def test_alpha_zero_leaves_a_copy_of_the_weights(weight: Tensor, sparse: Tensor, dense: Tensor):
    found = target(weight, gram_of(weight, sparse, dense), 0.0)
    assert torch.equal(found, weight)
    assert found.data_ptr() != weight.data_ptr()


# Eq. 5


@pytest.mark.parametrize("rows", [ROWS, WIDTH + 5])
@pytest.mark.parametrize("ridge", [1e-4, 30.0])
def test_papers_target_is_its_equation(
    draw: Draw, sparse: Tensor, dense: Tensor, rows: int, ridge: float
):
    """W̄ᵀ = (X_sᵀ X_s + λI)⁻¹ X_sᵀ Y with Y = X_d Wᵀ: the ridge pulls toward zero, on sums that
    nobody divided.
    """
    weight = draw(rows, WIDTH)
    gram = gram_of(weight, sparse, dense)
    factor = factorise(gram.hessian(), ridge / TOKENS, absolute=True)
    system = sparse.T @ sparse + ridge * torch.eye(WIDTH, dtype=torch.float64)
    expected = torch.linalg.solve(system, sparse.T @ dense @ weight.T).T
    assert close(p1_target(weight, gram.drift(), factor), expected)


def test_papers_target_shrinks_even_without_drift(weight: Tensor, sparse: Tensor):
    gram = gram_of(weight, sparse, None)
    factor = factorise(gram.hessian(), 0.5, absolute=True)
    expected = (
        weight
        @ gram.hessian()
        @ torch.linalg.inv(gram.hessian() + 0.5 * torch.eye(WIDTH, dtype=torch.float64))
    )
    assert close(p1_target(weight, None, factor), expected)


def test_papers_target_is_its_equation_at_the_damping_that_was_needed(draw: Draw):
    """Where λ is raised because H is singular, it is raised on both sides."""
    few = draw(WIDTH // 2, WIDTH, seed=8).float()
    weight, gram = draw(ROWS, WIDTH).float(), None
    gram = gram_of(weight, few, few + 0.1 * draw(WIDTH // 2, WIDTH, seed=9).float())
    factor = factorise(gram.hessian(), 1e-18, absolute=True)
    assert factor.raised and factor.ridge > 1e-18
    wide, drift = gram.hessian().double(), gram.drift()
    assert drift is not None
    system = wide + factor.ridge * torch.eye(WIDTH, dtype=torch.float64)
    expected = torch.linalg.solve(system, (drift.double() + weight.double() @ wide).T).T
    assert torch.allclose(
        p1_target(weight, drift, factor).double() @ wide, expected @ wide, rtol=1e-3, atol=1e-3
    )


# The factor


@pytest.mark.parametrize("absolute", [False, True])
def test_factor_inverts_the_damped_hessian(sparse: Tensor, absolute: bool):
    hessian, one = sparse.T @ sparse / TOKENS, torch.eye(WIDTH, dtype=torch.float64)
    factor = factorise(hessian, DAMPING, absolute)
    ridge = DAMPING if absolute else DAMPING * float(hessian.diagonal().mean())
    assert torch.allclose(factor.hessian, hessian + ridge * one, rtol=1e-12)
    assert (
        factor.damping == pytest.approx(ridge / float(hessian.diagonal().mean()))
        and not factor.raised
    )
    assert torch.equal(factor.upper, factor.upper.triu())
    assert torch.allclose(factor.upper.T @ factor.upper @ factor.hessian, one, atol=1e-10)
    assert torch.allclose(factor.inverse @ factor.hessian, one, atol=1e-10)
    assert torch.equal(factor.inverse, factor.inverse.T)


def test_the_pivot_is_what_the_other_inputs_do_not_explain_in_any_order(sparse: Tensor):
    """A least-squares fit of every input by all others, with the ridge among the observations,
    leaves that share of it.
    """
    hessian = sparse.T @ sparse / len(sparse)
    factor = factorise(hessian, 1e-3)
    shares = []
    for column in range(WIDTH):
        others = [j for j in range(WIDTH) if j != column]
        system, right = factor.hessian[others][:, others], factor.hessian[others, column]
        shares.append(
            1
            - float(right @ torch.linalg.solve(system, right))
            / float(factor.hessian[column, column])
        )
    assert factor.pivot == pytest.approx(min(shares), rel=1e-9)
    order = torch.randperm(WIDTH, generator=torch.Generator().manual_seed(1))
    assert factorise(hessian[order][:, order], 1e-3).pivot == pytest.approx(factor.pivot, rel=1e-9)


def test_a_factor_is_coarse_below_the_least_pivot_in_single_precision_only(sparse: Tensor):
    hessian = sparse.T @ sparse / len(sparse)
    low = hessian.clone()
    low[:, 0], low[0] = hessian[:, 1], hessian[1]  # the first input is nearly the second
    low[0, 0] = hessian[1, 1] * (1 + LEAST_PIVOT / 4)
    assert [factorise(matrix.float(), 1e-4).coarse for matrix in (torch.eye(WIDTH), low)] == [
        False,
        True,
    ]
    assert not factorise(low, 1e-4).coarse and not factorise(low.float(), 1e-4).wide.coarse


@pytest.mark.parametrize("rows", [1, 3, WIDTH, 40])
@pytest.mark.parametrize("damping", [1e-8, 0.05])
def test_solve_multiplies_by_the_inverse(draw: Draw, sparse: Tensor, rows: int, damping: float):
    factor = factorise(sparse.T @ sparse / TOKENS, damping)
    right = draw(rows, WIDTH, seed=8)
    expected = torch.linalg.solve(factor.hessian, right.T).T
    assert torch.allclose(factor.solve(right), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("rows", [2, 200])
def test_solve_in_single_precision_is_close(draw: Draw, rows: int):
    inputs = draw(400, 100, seed=1) @ draw(100, 100, seed=2)
    hessian = (inputs.T @ inputs / 400).float()
    factor = factorise(hessian, DAMPING)
    right = draw(rows, 100, seed=8)
    expected = torch.linalg.solve(factor.hessian.double(), right.T).T
    assert (
        factor.solve(right.float()).dtype
        == factor.upper.dtype
        == factor.inverse.dtype
        == torch.float32
    )
    assert float((factor.solve(right.float()).double() - expected).norm() / expected.norm()) < 1e-4


def test_the_hessian_given_is_left_alone(sparse: Tensor):
    hessian = sparse.T @ sparse
    before = hessian.clone()
    _ = factorise(hessian, DAMPING).inverse
    assert torch.equal(hessian, before)


def test_dead_input_is_harmless(weight: Tensor, sparse: Tensor, dense: Tensor):
    sparse[:, 4] = 0.0
    found = target(weight, gram_of(weight, sparse, dense))
    assert bool(found.isfinite().all())
    assert torch.allclose(found[:, 4], weight[:, 4])


def test_inputs_that_are_all_dead_can_be_factored():
    factor = factorise(torch.zeros(5, 5), DAMPING)
    assert bool(factor.upper.isfinite().all()) and factor.damping <= MAX_DAMPING


# Damping


def diagonal(*values: float) -> Tensor:
    return torch.diag(torch.tensor(values, dtype=torch.float64))


def test_singular_statistics_raise_the_damping_and_record_it():
    factor = factorise(diagonal(1.0, 1.0, 1.0, -0.02), 0.001)  # 0.02 / 0.745 needs more than 0.01
    assert (factor.damping, factor.raised) == (pytest.approx(0.1), True)
    assert torch.allclose(
        factor.hessian.diagonal()[0], torch.tensor(1 + 0.1 * 0.745, dtype=torch.float64)
    )


def test_damping_that_is_enough_is_not_raised():
    factor = factorise(diagonal(1.0, 1.0, 1.0, -0.02), 0.05)
    assert (factor.damping, factor.raised) == (0.05, False)


@pytest.mark.parametrize("absolute", [False, True])
def test_damping_of_zero_is_raised_too(absolute: bool):
    factor = factorise(torch.ones(4, 4, dtype=torch.float64), 0.0, absolute)
    assert 0 < factor.damping <= MAX_DAMPING and factor.raised


@pytest.mark.parametrize("damping", [0.0, 1e-6, DAMPING, 0.1])
@pytest.mark.parametrize(
    "smallest", [-2.0, -0.2]
)  # the second would do with 0.3 of the mean diagonal, which is too much
def test_hopeless_statistics_are_an_error(damping: float, smallest: float):
    with pytest.raises(
        NumericalError, match=r"4 inputs.*damping of 0.1; use more calibration text"
    ):
        factorise(diagonal(1.0, 1.0, 1.0, smallest), damping)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_an_error(value: float):
    hessian = torch.eye(4)
    hessian[1, 2] = value
    with pytest.raises(NumericalError, match="not finite"):
        factorise(hessian, DAMPING)


@pytest.mark.parametrize("width", [1, 7, 256, 257, 700])
def test_the_factor_of_any_width_is_the_inverse_root(draw: Draw, width: int):
    inputs = draw(2 * width, width, seed=5)
    factor = factorise(inputs.T @ inputs / len(inputs), DAMPING)
    assert torch.equal(factor.upper, factor.upper.triu())
    eye = torch.eye(width, dtype=torch.float64)
    assert torch.allclose(factor.upper.T @ factor.upper @ factor.hessian, eye, rtol=0, atol=1e-10)


def error_in_single_precision(hessian: Tensor) -> float:
    """The largest relative error of a row of U from H in float32, against float64 on the very same
    numbers.
    """
    single = hessian.float()
    found, expected = factorise(single, DAMPING), factorise(single.double(), DAMPING)
    assert found.upper.dtype == torch.float32 and found.damping == expected.damping
    return float(((found.upper - expected.upper).norm(dim=1) / expected.upper.norm(dim=1)).max())


def test_single_precision_is_enough_where_pivots_are_large(draw: Draw):
    inputs = draw(1200, 300, seed=6) @ draw(300, 300, seed=7)
    assert error_in_single_precision(inputs.T @ inputs / len(inputs)) < 1e-4


def test_single_precision_is_left_where_pivots_cancel(draw: Draw):
    # one direction in every input, far above the rest
    inputs = draw(1200, 300, seed=6) + 300 * draw(1200, 1, seed=8)
    inputs[:, :3] *= 50
    assert error_in_single_precision(inputs.T @ inputs / len(inputs)) < 1e-6

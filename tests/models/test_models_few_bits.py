"""Pruned weights in a few bits: exact zeros, ends kept, and the error that the bits allow."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from prunescope.engine.models.few_bits import pack_few, unpack_few


def made_up(rows: int, columns: int, share: float, seed: int = 0) -> Tensor:
    """A matrix of which about a share of the weights remains."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator)
    return weight * (torch.rand(rows, columns, generator=generator) < share)


def there_and_back(weight: Tensor, bits: int) -> Tensor:
    return unpack_few(pack_few("w", weight, bits), "w", weight.shape, bits)


@given(
    st.integers(1, 9),
    st.integers(1, 40),
    st.floats(0, 1),
    st.integers(2, 16),
    st.integers(0, 10**6),
)
def test_zeros_signs_and_the_ends_of_a_row_are_exact_and_no_weight_is_off_by_more_than_half_a_step(
    rows: int, columns: int, share: float, bits: int, seed: int
) -> None:
    weight = made_up(rows, columns, share, seed)
    back = there_and_back(weight, bits)
    assert torch.equal(back.sign(), weight.sign()), "the sparsity stays exact"
    for before, after in zip(weight, back, strict=True):
        remaining = before[before != 0].abs()
        if not len(remaining):
            continue
        step = (remaining.max() - remaining.min()) / max(2 ** (bits - 1) - 1, 1)
        assert (before - after).abs().max() <= step * 0.501 + 1e-6
        assert torch.equal(after[after != 0].abs().min(), remaining.min())
        assert float(after.abs().max()) == pytest.approx(float(remaining.max()), rel=1e-6)


def test_more_bits_are_never_worse() -> None:
    weight = made_up(32, 64, 0.3)
    errors = [float((there_and_back(weight, bits) - weight).pow(2).sum()) for bits in range(2, 13)]
    assert errors == sorted(errors, reverse=True)
    assert errors[6] < 1e-4 * float(weight.pow(2).sum()), "eight bits"


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_the_size_is_a_bitmap_the_codes_and_two_numbers_a_row(bits: int) -> None:
    weight = made_up(7, 33, 0.4)
    remaining = int((weight != 0).sum())
    size = sum(tensor.nbytes for tensor in pack_few("w", weight, bits).values())
    assert size == -(-7 * 33 // 8) + -(-remaining * bits // 8) + 7 * 2 * 4


def test_an_empty_matrix_and_a_full_one_come_back() -> None:
    assert torch.equal(there_and_back(torch.zeros(3, 5), 4), torch.zeros(3, 5))
    weight = torch.tensor([[1.0, -1.0], [0.25, -2.0]])
    assert torch.equal(there_and_back(weight, 2), weight), "two magnitudes a row are kept whole"


@pytest.mark.parametrize("bits", [1, 17])
def test_bits_outside_the_range_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"{bits} bits a weight"):
        pack_few("w", torch.ones(1, 1), bits)


@pytest.mark.parametrize("part", ["bitmap", "codes", "rows"])
def test_parts_that_do_not_fit_each_other_are_refused(part: str) -> None:
    weight = made_up(8, 16, 0.5)
    packed = pack_few("w", weight, 6)
    packed[f"w.{part}"] = packed[f"w.{part}"][..., :-1]
    with pytest.raises(ValueError, match=r"w is stored|w has codes"):
        unpack_few(packed, "w", weight.shape, 6)

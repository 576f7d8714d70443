"""Averaging the weights of members."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from prunescope.engine.errors import ModelError
from prunescope.engine.models.average import WeightAverage, average_adapters


def mean_of(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    mean = WeightAverage()
    for number, state in enumerate(states, start=1):
        mean.add(f"member {number}", state)
    return mean.value()


def test_mean_is_taken_key_by_key():
    found = mean_of(
        [
            {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor(0.0)},
            {"b": torch.tensor(3.0), "a": torch.tensor([5.0, 2.0])},
        ]
    )
    assert {name: value.tolist() for name, value in found.items()} == {"a": [3.0, 2.0], "b": 1.5}


def test_mean_is_accumulated_in_double_precision():
    values = [1e8, 1.0, -1e8, 1.0]
    (found,) = mean_of([{"a": torch.tensor([value])} for value in values])["a"].tolist()
    assert found == 0.5


NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 0.1, -1e8, 3e-39])


@given(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=5))
def test_tensors_that_are_the_same_in_some_members_are_averaged_as_any_other(
    rows: list[list[float]],
):
    states = [
        {str(place): torch.tensor([value]) for place, value in enumerate(row)} for row in rows
    ]
    found = mean_of(states)
    for name, value in found.items():
        total = torch.zeros(1, dtype=torch.float64)
        for state in states:
            total += state[name]
        assert value.numpy().tobytes() == (total / len(states)).float().numpy().tobytes()


def test_half_precision_does_not_overflow():
    found = mean_of([{"a": torch.full((2,), 60000.0, dtype=torch.float16)}] * 3)["a"]
    assert found.dtype == torch.float16
    assert found.tolist() == [60000.0] * 2


def test_one_member_is_its_own_average():
    value = torch.randn(5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mean_of([{"a": value}])["a"], value)


def test_members_keep_their_weights():
    one, two = torch.tensor([1.0], dtype=torch.float64), torch.tensor([3.0], dtype=torch.float64)
    assert mean_of([{"a": one}, {"a": two}])["a"].tolist() == [2.0]
    assert (one.item(), two.item()) == (1.0, 3.0)


def test_integer_buffers_are_the_first_members():
    first, second = torch.arange(3), torch.arange(3) + 4
    found = mean_of([{"ids": first}, {"ids": second}])["ids"]
    assert found.tolist() == [0, 1, 2]
    assert found.data_ptr() != first.data_ptr()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            {"a": torch.zeros(2)},
            "member 2 cannot be averaged with member 1: only one of them has b",
        ),
        (
            {"a": torch.zeros(2), "b": torch.zeros(1), "c": torch.zeros(1)},
            "member 2 .* only one of them has c",
        ),
        ({"a": torch.zeros(3), "b": torch.zeros(1)}, r"member 2 .*: a is \(3,\), not \(2,\)"),
    ],
)
def test_mismatch_names_the_key(second: dict[str, Tensor], message: str):
    with pytest.raises(ModelError, match=message):
        mean_of([{"a": torch.zeros(2), "b": torch.zeros(1)}, second])


def test_no_adapters_is_an_error(model_folder: Path):
    with pytest.raises(ModelError, match="no members to average"):
        average_adapters(model_folder, [])

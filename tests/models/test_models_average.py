"""Averaging the weights of members."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import ModelError
from engine.models.average import average_adapters, average_states


def test_mean_is_taken_key_by_key():
    found = average_states([{"a": torch.tensor([1.0, 2.0]), "b": torch.tensor(0.0)},
                            {"b": torch.tensor(3.0), "a": torch.tensor([5.0, 2.0])}])  # fmt: skip
    assert {name: value.tolist() for name, value in found.items()} == {"a": [3.0, 2.0], "b": 1.5}


def test_mean_is_accumulated_in_double_precision():
    values = [1e8, 1.0, -1e8, 1.0]
    (found,) = average_states([{"a": torch.tensor([value])} for value in values])["a"].tolist()
    assert found == 0.5


def test_half_precision_does_not_overflow():
    found = average_states([{"a": torch.full((2,), 60000.0, dtype=torch.float16)}] * 3)["a"]
    assert found.dtype == torch.float16
    assert found.tolist() == [60000.0] * 2


def test_one_member_is_its_own_average():
    value = torch.randn(5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(average_states([{"a": value}])["a"], value)


def test_integer_buffers_are_the_first_members():
    first, second = torch.arange(3), torch.arange(3) + 4
    found = average_states([{"ids": first}, {"ids": second}])["ids"]
    assert found.tolist() == [0, 1, 2]
    assert found.data_ptr() != first.data_ptr()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"a": torch.zeros(2)}, "Member 2 .* only one of them has b"),
        ({"a": torch.zeros(2), "b": torch.zeros(1), "c": torch.zeros(1)}, "Member 2 .* only one of them has c"),
        ({"a": torch.zeros(3), "b": torch.zeros(1)}, r"Member 2 .*: a is \(3,\), not \(2,\)"),
    ],
)
def test_mismatch_names_the_key(second: dict[str, Tensor], message: str):
    with pytest.raises(ModelError, match=message):
        average_states([{"a": torch.zeros(2), "b": torch.zeros(1)}, second])


def test_no_adapters_is_an_error(model_folder: Path):
    with pytest.raises(ModelError, match="no members to average"):
        average_adapters(model_folder, [])

"""Labels: numbers stay, names are mapped over all splits together."""

import pytest

from engine.data.labels import LabelColumn, encode_labels
from engine.errors import DataError


def encode(*splits: list[object]) -> tuple[list[tuple[int, ...]], tuple[str, ...] | None]:
    return encode_labels([LabelColumn(f"split {n}", values) for n, values in enumerate(splits)])


@pytest.mark.parametrize("values", [[0, 2], [0.0, 2.0], ["0", " 2 "], ["0.0", "2."], ["+0", 2], [False, 2]])
def test_numbers_stay_what_they_are(values):
    assert encode(values) == ([(0, 2)], None)


def test_names_are_numbered_in_sorted_order():
    assert encode(["pos", "neg", "pos"]) == ([(1, 0, 1)], ("neg", "pos"))


def test_a_name_of_one_split_only_shifts_no_other_split():
    splits, names = encode(["a", "c"], ["b", "c"])
    assert names == ("a", "b", "c")
    assert splits == [(0, 2), (1, 2)]


def test_a_number_of_any_length_is_a_number():
    assert encode([0, 10**400]) == ([(0, 10**400)], None)  # it is outside any model's range, which says so


def test_numbers_beside_names_in_one_column_of_strings_are_names():
    assert encode(["1", "n/a"]) == ([(0, 1)], ("1", "n/a"))


def test_numbers_and_names_in_one_split():
    with pytest.raises(DataError, match="Row 2 of split 0 has the label 1 among names"):
        encode(["pos", 1])


def test_numbers_in_one_split_and_names_in_another():
    with pytest.raises(DataError, match="labels of split 0 are numbers and those of split 1 are names"):
        encode(["0", "1"], ["neg", "pos"])


@pytest.mark.parametrize("value", [None, float("nan"), "", "  "])
def test_missing_label_names_the_row(value):
    with pytest.raises(DataError, match="Row 2 of split 0 has no label"):
        encode([1, value])


@pytest.mark.parametrize("value", [0.5, "0.5", float("inf")])
def test_fractional_label(value):
    with pytest.raises(DataError, match=r"Row 2 of split 0 has the label .*, not an integer"):
        encode([1, value])


def test_label_of_another_type():
    with pytest.raises(DataError, match="Row 1 of split 0 has a label of type list"):
        encode([[0, 1]])


@pytest.mark.parametrize("values", [[-1, -1], ["-1", "-1"]])
def test_a_split_of_minus_ones_has_no_labels(values):
    with pytest.raises(DataError, match="split 1 has no labels: all 2 are -1"):
        encode([0, 1], values)


def test_one_negative_label_names_the_row():
    with pytest.raises(DataError, match="Row 2 of split 0 has the label -1"):
        encode([0, -1])

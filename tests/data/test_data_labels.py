"""Labels as they are written: numbers stay, names are mapped over all splits together, rows without
a label are left out.
"""

import pandas as pd
import pytest

from prunescope.engine.data.columns import Table
from prunescope.engine.data.label_map import LabelMap
from prunescope.engine.data.labels import EncodedLabels, LabelColumn, encode_labels, natural
from prunescope.engine.errors import DataError, SettingError


def encode(
    *splits: list[object], label_map: str | None = None, schema: tuple[str, ...] | None = None
) -> EncodedLabels:
    class_names = {"label": schema} if schema else {}
    tables = [
        Table(f"split {n}", pd.DataFrame({"label": pd.Series(values, dtype=object)}), class_names)
        for n, values in enumerate(splits)
    ]
    return encode_labels(
        [LabelColumn(table, "label") for table in tables],
        LabelMap.parse(label_map) if label_map else None,
    )


@pytest.mark.parametrize(
    "values", [[0, 2], [0.0, 2.0], ["0", " 2 "], ["0.0", "2."], ["+0", 2], [False, 2]]
)
def test_numbers_stay_what_they_are(values):
    encoded = encode(values)
    assert (
        encoded.splits == ((0, 2),)
        and encoded.classes.names is None
        and encoded.classes.values == (0, 2)
    )


def test_names_are_numbered_in_natural_order():
    encoded = encode(["C10", "C2", "C1", "C2"])
    assert encoded.splits == ((2, 1, 0, 1),) and encoded.classes.names == ("C1", "C2", "C10")
    assert natural(["b", "a 10", "a 9", "B"]) == ("B", "a 9", "a 10", "b")


def test_a_name_of_one_split_only_shifts_no_other_split():
    encoded = encode(["a", "c"], ["b", "c"])
    assert encoded.classes.names == ("a", "b", "c")
    assert encoded.splits == ((0, 2), (1, 2))


def test_a_number_of_any_length_is_a_number():
    # it is outside any model's range, which says so
    assert encode([0, 10**400]).splits == ((0, 10**400),)


@pytest.mark.parametrize(
    "value", [None, float("nan"), "", "  ", "-", "nan", "N/A", "null", pd.NA, pd.NaT]
)
def test_rows_without_a_label_are_left_out_and_counted(value):
    encoded = encode([1, value, 0])
    assert encoded.splits == ((1, None, 0),) and encoded.classes.values == (0, 1)
    (notice,) = encoded.notices
    assert notice.startswith("1 of the 3 rows of split 0 have no label (") and notice.endswith(
        "the first is row 2 of split 0."
    )


def test_junk_among_names_and_among_numbers():
    assert encode(["pos", "-", "neg"]).classes.names == ("neg", "pos")
    assert encode(["none", "some"]).classes.names == ("none", "some")  # a class of its own
    # no number, and no class among numbers
    assert encode(["0", "none", "1"]).splits == ((0, None, 1),)
    assert encode(["NA", *map(str, range(12))]).classes.values == tuple(range(12))


def test_a_label_that_may_be_missing_or_a_class_is_refused():
    """NA may be Namibia."""
    with pytest.raises(DataError, match="has the label 'NA' in 3 rows, as often as a class"):
        encode(["EU", "EU", "EU", "AS", "AS", "AS", "NA", "NA", "NA"])
    assert encode(["EU", "AS", "NA"], label_map="EU=0,AS=1,na=2").splits == ((0, 1, 2),)
    assert encode(["EU", "AS", ""], label_map="EU=0,AS=1").splits == ((0, 1, None),)


def test_labels_of_any_length_are_sorted():
    long = "C" + "9" * 5000
    assert encode(["C10", long, "C2"]).classes.names == ("C2", "C10", long)


def test_true_and_false_are_names_with_numbers():
    for values in ([True, False], ["true", "False"], ["TRUE", "FALSE"]):
        encoded = encode(values)
        assert (
            encoded.splits == ((1, 0),)
            and encoded.classes.names == ("False", "True")
            and encoded.classes.numbered
        )


def test_a_schema_names_the_numbers_of_a_column():
    encoded = encode([1, 0, -1], schema=("bad", "good"))
    assert (
        encoded.splits == ((1, 0, None),)
        and encoded.classes.names == ("bad", "good")
        and encoded.classes.numbered
    )
    with pytest.raises(
        DataError,
        match=r"Row 2 of split 0 has the label 2, and the schema names the classes 0 to 1",
    ):
        encode([1, 2], schema=("bad", "good"))


def test_numbers_and_names_in_one_split():
    with pytest.raises(DataError, match="Row 2 of split 0 has the label 1 among names"):
        encode(["pos", 1])


def test_numbers_in_one_split_and_names_in_another():
    with pytest.raises(
        DataError, match="labels of split 0 are numbers and those of split 1 are names"
    ):
        encode(["0", "1"], ["neg", "pos"])


@pytest.mark.parametrize("value", [0.5, "0.5", float("inf"), "1" + "0" * 400 + ".0"])
def test_fractional_label(value):
    with pytest.raises(
        DataError, match=r"Row 2 of split 0 has the label .*, which is not a whole number"
    ):
        encode([1, value])


def test_label_of_another_type():
    with pytest.raises(DataError, match="Row 1 of split 0 has a label of type list"):
        encode([[0, 1]])


@pytest.mark.parametrize("values", [[-1, -1], ["-1", "-1"], [None, None], ["-", ""]])
def test_a_split_without_labels(values):
    with pytest.raises(
        DataError, match=r"split 1 has no labels in 'label' \(.*as a published test split"
    ):
        encode([0, 1], values)


def test_minus_one_is_no_label_beside_three_classes_and_a_label_beside_one():
    assert encode([0, 1, 2, -1]).splits == ((0, 1, 2, None),)  # as SNLI has it
    assert encode([1, -1]).classes.values == (-1, 1)
    # which of the two it is, a model must say
    assert encode([0, 1, -1]).classes.values == (
        -1,
        0,
        1,
    )


def test_a_label_map_says_what_each_label_is():
    encoded = encode(["good", "bad", "mixed", "good", None], label_map="bad=0,good=1,mixed=-1")
    assert encoded.splits == ((1, 0, None, 1, None),)
    assert (
        encoded.classes.names is None
        and encoded.classes.numbered
        and encoded.classes.values == (0, 1)
    )
    by_name = encode([1, 2], label_map="1=negative,2=positive")
    assert (
        by_name.splits == ((0, 1),)
        and by_name.classes.names == ("negative", "positive")
        and not by_name.classes.numbered
    )
    # by the schema's names
    assert encode([0, 1], label_map="bad=1,good=0", schema=("bad", "good")).splits == ((1, 0),)
    assert encode([1.0, 2.0], label_map="1=0,2=1").splits == ((0, 1),)
    assert (
        encode(["1.0", "2"], label_map="1=0,2=1").splits
        == ((0, 1),)
        == encode([1.0, 2.0], label_map="1.0=0,2.0=1").splits
    )
    # a minus as messages print it
    assert encode(["good", "bad"], label_map="good=1,bad=−1").splits == ((1, None),)
    assert encode(["a, b", "c"], label_map='{"a, b": 0, "c": 1}').splits == ((0, 1),)
    with pytest.raises(
        DataError, match=r"Row 2 of split 0 has the label 'odd', which the label map does not name"
    ):
        encode(["good", "odd"], label_map="good=1,bad=0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("good", "is no list of LABEL=CLASS"),
        ("a=0,a=1", "names a label twice"),
        ("a=", "LABEL=CLASS"),
        ("{", "is not JSON"),
        ("a=--1,b=1", "mixes"),
        ("a=0;b=1", "parted by commas"),
        ("a=0,b=pos", "mixes class numbers and class names"),
        ("a=-2", "classes count from 0"),
        ('{"a": [1]}', "give a class number or a class name"),
    ],
)
def test_what_is_no_label_map(text, message):
    with pytest.raises(SettingError, match=message):
        LabelMap.parse(text)

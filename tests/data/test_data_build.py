"""From tables to examples: rows without text, splits of different kinds."""

import pandas as pd
import pytest

from prunescope.engine.data.build import build_examples
from prunescope.engine.data.columns import Choice, Table
from prunescope.engine.data.records import Classes, Examples
from prunescope.engine.errors import DataError


def table(where: str = "here", **columns: list[object]) -> Table:
    return Table(where, pd.DataFrame(columns, dtype=object))


def test_single_texts():
    built = build_examples([table(text=["a", "b"], label=[1, 0])], Choice())
    assert built.examples == (Examples(("a", "b"), None, (1, 0)),) and built.classes == Classes(
        None, False, (0, 1)
    )
    assert built.notices == ()


def test_pairs():
    (examples,) = build_examples(
        [table(premise=["a"], hypothesis=["b"], label=[1])], Choice()
    ).examples
    assert examples == Examples(("a",), ("b",), (1,), ("premise", "hypothesis"))


def test_texts_are_kept_as_they_are():
    (examples,) = build_examples([table(text=["  a  b "], label=[1])], Choice()).examples
    assert examples.texts == ("  a  b ",)


@pytest.mark.parametrize("value", [None, float("nan")])
def test_missing_text_names_the_row(value):
    with pytest.raises(DataError, match="Row 2 of here has no text in 'text'"):
        build_examples([table(text=["a", value], label=[1, 0])], Choice())


@pytest.mark.parametrize("value", ["", " \t\u3000"])
def test_blank_text_names_the_row(value):
    with pytest.raises(DataError, match="Row 2 of here has a blank text in 'text'"):
        build_examples([table(text=["a", value], label=[1, 0])], Choice())


def test_blank_pair_names_the_column():
    with pytest.raises(DataError, match="Row 1 of here has a blank text in 'text_b'"):
        build_examples([table(text_a=["a", "c"], text_b=["", "d"], label=[1, 0])], Choice())


@pytest.mark.parametrize("value", [3, ["a"]])
def test_text_of_another_type(value):
    with pytest.raises(DataError, match=r"Row 1 of here has a (int|list) in 'text'"):
        build_examples([table(text=[value], label=[1])], Choice())


def test_single_texts_beside_pairs():
    tables = [
        table("one", text=["a"], label=[1]),
        table("two", text_a=["a"], text_b=["b"], label=[1]),
    ]
    with pytest.raises(DataError, match="one holds single texts and two holds pairs"):
        build_examples(tables, Choice())


def test_rows_without_a_label_are_left_out_and_the_others_keep_their_place():
    item = table("a.tsv", text=["a", "b"], label=["pos", "-"])
    two = table("b.tsv", text=["c", None, "d"], label=["neg", None, "pos"])
    built = build_examples([item, two], Choice())
    assert [part.texts for part in built.examples] == [("a",), ("c", "d")] and built.rows == (
        (0,),
        (0, 2),
    )
    assert (
        built.examples[1].place(1, "x")
        == "Row 3 of b.tsv"
        == built.examples[1].take([1]).place(0, "x")
    )
    assert built.notices == (
        "1 of the 2 rows of a.tsv have no label ('-' in 1) and are left out; the first is row 2 of "
        "a.tsv.",
        "1 of the 3 rows of b.tsv have no label (an empty cell in 1) and are left out; the first "
        "is row 2 of b.tsv.",
    )


def test_a_row_of_several_files_is_named_by_its_own():
    shards = Table(
        "first",
        pd.DataFrame({"text": ["a", "b", " "], "label": [0, 1, 0]}),
        {},
        (("first", 2), ("second", 1)),
    )
    with pytest.raises(DataError, match="Row 1 of second has a blank text"):
        build_examples([shards], Choice())


def test_a_second_column_of_texts_is_told_where_it_is_not_read():
    rows = {
        "text": ["one text here", "another text here"],
        "comment": ["it was very good", "it was quite bad"],
        "label": [0, 1],
    }
    (notice,) = build_examples([table(**rows)], Choice()).notices
    assert notice.startswith(
        "here is read as single texts, the column 'text'; 'comment' holds texts too and is left "
        "out."
    )
    assert build_examples([table(**rows)], Choice(text="text")).notices == ()  # the caller said so
    short = {**rows, "comment": ["yes", "no"]}
    assert build_examples([table(**short)], Choice()).notices == ()


def test_a_column_beside_the_numbers_names_them():
    """As label_text does in many sets of the hub."""
    rows = {"text": ["a", "b", "c"], "label": [1, 0, 1]}
    built = build_examples([table(**rows, label_text=["good", "bad", "good"])], Choice())
    assert built.classes == Classes(("bad", "good"), True, (0, 1))
    with pytest.raises(
        DataError, match="gives one number in 'label' several names in 'label_text'"
    ):
        build_examples([table(**rows, label_text=["good", "bad", "bad"])], Choice())


def test_two_columns_of_labels_that_differ_are_refused():
    rows = {"text": ["a", "b"], "label": [1, 0]}
    assert build_examples([table(**rows, gold_label=[1, 0])], Choice()).examples[0].labels == (1, 0)
    with pytest.raises(DataError, match="has the columns 'label' and 'gold_label', which differ"):
        build_examples([table(**rows, gold_label=[0, 1])], Choice())
    assert build_examples([table(**rows, gold_label=[0, 1])], Choice(label="gold_label")).examples[
        0
    ].labels == (0, 1)


def test_a_pair_beside_single_texts_is_refused():
    rows = {"text": ["a b", "c d"], "prompt": ["e", "f"], "response": ["g", "h"], "label": [1, 0]}
    with pytest.raises(
        DataError,
        match="has the column 'text' and the pair 'prompt' and 'response'; say what is classified",
    ):
        build_examples([table(**rows)], Choice())
    assert build_examples([table(**rows)], Choice(text="text")).examples[0].pairs is None

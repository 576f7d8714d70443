"""From tables to examples: rows without text, splits of different kinds."""

import pandas as pd
import pytest

from engine.data.build import build_examples
from engine.data.columns import Choice, Table
from engine.data.records import Examples
from engine.errors import DataError


def table(where: str = "here", **columns: list[object]) -> Table:
    return Table(where, pd.DataFrame(columns, dtype=object))


def test_single_texts():
    examples, names = build_examples([table(text=["a", "b"], label=[1, 0])], Choice())
    assert (examples, names) == ([Examples(("a", "b"), None, (1, 0))], None)


def test_pairs():
    (examples,), _ = build_examples([table(premise=["a"], hypothesis=["b"], label=[1])], Choice())
    assert examples == Examples(("a",), ("b",), (1,), ("premise", "hypothesis"))


def test_texts_are_kept_as_they_are():
    (examples,), _ = build_examples([table(text=["  a  b "], label=[1])], Choice())
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
        build_examples([table(text_a=["a"], text_b=[""], label=[1])], Choice())


@pytest.mark.parametrize("value", [3, ["a"]])
def test_text_of_another_type(value):
    with pytest.raises(DataError, match=r"Row 1 of here has a (int|list) in 'text'"):
        build_examples([table(text=[value], label=[1])], Choice())


def test_single_texts_beside_pairs():
    tables = [table("one", text=["a"], label=[1]), table("two", text_a=["a"], text_b=["b"], label=[1])]
    with pytest.raises(DataError, match="one holds single texts and two holds pairs"):
        build_examples(tables, Choice())

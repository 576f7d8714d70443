"""Which columns are read: usual names, named columns, refusals."""

import pandas as pd
import pytest

from prunescope.engine.data.columns import (
    LABEL_NAMES,
    PAIR_NAMES,
    TEXT_NAMES,
    Choice,
    Columns,
    Table,
    find_columns,
)
from prunescope.engine.errors import DataError, SettingError


def find(*names: str, **choice: str) -> Columns:
    return find_columns(Table("here.tsv", pd.DataFrame(columns=list(names))), Choice(**choice))


@pytest.mark.parametrize("name", TEXT_NAMES)
def test_usual_text_names(name):
    assert find("id", name, "label") == Columns(name, None, "label")


@pytest.mark.parametrize(("first", "second"), PAIR_NAMES)
def test_usual_pair_names(first, second):
    assert find(second, first, "label") == Columns(first, second, "label")


@pytest.mark.parametrize("name", LABEL_NAMES)
def test_usual_label_names(name):
    assert find("text", name).label == name


def test_detection_ignores_case():
    assert find("Text", "LABEL") == Columns("Text", None, "LABEL")


def test_the_exact_name_wins_over_another_case():
    assert find("TEXT", "text", "label").text == "text"


def test_earlier_candidates_win():
    assert find("body", "sentence", "target", "label") == Columns("sentence", None, "label")


def test_half_a_pair_is_not_a_pair():
    with pytest.raises(DataError, match="'premise', 'label'; name one with `text_column`"):
        find("premise", "label")


def test_no_label_column():
    with pytest.raises(
        DataError, match=r"here\.tsv has no label column.*'text', 'stars'.*`label_column`"
    ):
        find("text", "stars")


def test_named_columns_win_over_usual_names():
    result = find("text", "q", "a", "label", "y", text="q", pair="a", label="y")
    assert result == Columns("q", "a", "y")


def test_named_text_alone_is_a_single_text():
    assert find("premise", "hypothesis", "label", text="premise") == Columns(
        "premise", None, "label"
    )


def test_named_pair_goes_with_the_detected_text():
    assert find("text", "answer", "label", pair="answer") == Columns("text", "answer", "label")


@pytest.mark.parametrize("role", ["text", "pair", "label"])
def test_named_column_that_is_not_there(role):
    with pytest.raises(
        DataError, match=f"no column 'nope', it has the columns 'text', 'label'; correct `{role}_"
    ):
        find("text", "label", **{role: "nope"})


@pytest.mark.parametrize("choice", [{"text": "label"}, {"label": "text"}, {"pair": "text"}])
def test_one_column_in_two_roles(choice):
    with pytest.raises(SettingError, match="two roles"):
        find("text", "label", **choice)


def test_long_column_names_are_cut_in_messages():
    with pytest.raises(DataError) as caught:
        find("w" * 500, "label")
    assert "w" * 41 not in str(caught.value)

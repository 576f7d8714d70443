"""The records: length, taking rows, fingerprints."""

import dataclasses

import pytest

from prunescope.engine.data import Examples
from prunescope.engine.errors import DataError

PAIRED = Examples(("a", "b", "c"), ("x", "y", "z"), (0, 1, 0))


def test_length_is_the_number_of_texts():
    assert len(PAIRED) == 3


def test_take_keeps_the_order_of_the_positions():
    assert PAIRED.take([2, 0]) == Examples(("c", "a"), ("z", "x"), (0, 0))


def test_rows_are_told_apart_by_both_texts():
    rows = Examples(
        ("a", "a", "b", "a"), ("x", "y", "x", "x"), (0, 1, 0, 1), ("premise", "hypothesis")
    )
    assert rows.row_keys() == [
        ("a", "x"),
        ("a", "y"),
        ("b", "x"),
        ("a", "x"),
    ] and rows.distinct() == [0, 1, 2]
    assert rows.take([3, 1]).columns == ("premise", "hypothesis")


def test_take_of_single_texts_has_no_pairs():
    assert Examples(("a", "b"), None, (0, 1)).take(iter([1])) == Examples(("b",), None, (1,))


def test_lengths_must_agree():
    with pytest.raises(DataError, match="2 texts, 2 pairs and 1 labels"):
        Examples(("a", "b"), None, (0,))


def test_examples_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PAIRED.labels = (1, 1, 1)  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        {"texts": ("a", "b", "C")},
        {"pairs": ("x", "y", "Z")},
        {"pairs": None},
        {"labels": (0, 1, 1)},
        {"texts": ("a", "c", "b")},
        {"columns": ("premise", "hypothesis")},
    ],
)
def test_fingerprint_changes_with_every_field(change: dict[str, tuple[str, ...] | None]):
    assert dataclasses.replace(PAIRED, **change).fingerprint() != PAIRED.fingerprint()


def test_fingerprint_depends_on_where_one_text_ends():
    assert (
        Examples(("ab", "c"), None, (0, 1)).fingerprint()
        != Examples(("a", "bc"), None, (0, 1)).fingerprint()
    )


def test_fingerprint_is_stable_across_runs():
    # SHA-256 of {"labels":[1],"pairs":null,"texts":["\\u00e9"]}, computed with another program.
    expected = "0d8f5e296b7a80f9d84db07bf3a0653465b7e8aa90c72e8ce2e188e010ee0652"
    assert Examples(("é",), None, (1,)).fingerprint() == expected

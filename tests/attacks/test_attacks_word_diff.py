"""Word-by-word differences between a text and what an attack made of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.textattack_import import textattack
from prunescope.engine.attacks.word_diff import (
    Piece,
    word_changes,
    words_changed,
    words_of,
    words_of_all,
)


@pytest.mark.parametrize(
    ("before", "after", "pieces"),
    [
        ("a good film", "a good film", [Piece("a good film", "a good film")]),
        (
            "a good film",
            "a godo film",
            [Piece("a", "a"), Piece("good", "godo"), Piece("film", "film")],
        ),
        (
            "good film here",
            "godo fiml here",
            [Piece("good", "godo"), Piece("film", "fiml"), Piece("here", "here")],
        ),
        (
            "a good film",
            "a go od film",
            [Piece("a", "a"), Piece("good", "go od"), Piece("film", "film")],
        ),
        (
            "a very good film",
            "a film",
            [Piece("a", "a"), Piece("very good", ""), Piece("film", "film")],
        ),
        ("a film", "a new film", [Piece("a", "a"), Piece("", "new"), Piece("film", "film")]),
        ("", "", []),
        ("", "new", [Piece("", "new")]),
    ],
)
def test_pieces(before: str, after: str, pieces: list[Piece]):
    assert word_changes(before, after) == pieces


def test_words_that_recur_in_a_long_text_are_matched_too():
    often = " very" * 250
    assert word_changes("good" + often, "godo" + often) == [
        Piece("good", "godo"),
        Piece(often.strip(), often.strip()),
    ]


def test_only_differing_pieces_are_changed():
    assert [piece.changed for piece in word_changes("a good film", "a godo film")] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("before", "after"), [("the the a the b", "the a the the c b"), ("x y z " * 90, "x y q " * 90)]
)
def test_pieces_spell_both_texts(before: str, after: str):
    pieces = word_changes(before, after)
    assert " ".join(piece.before for piece in pieces if piece.before) == before.strip()
    assert " ".join(piece.after for piece in pieces if piece.after) == after.strip()


# How many words were changed

WORD_LISTS = st.lists(st.sampled_from("abcd"), max_size=7)


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        ("a b c d", "x a b c d", 1),
        ("good film", "good film and true is true", 4),
        ("a good film", "a go od film", 2),
        ("a b c d", "a c d", 1),
        ("a b c d", "b c d", 1),
        ("a b c d", "d a b c", 4),
        ("a b", "", 2),
        ("", "", 0),
        ("a b c d e", "a x c e", 2),
        ("good film", "film good", 2),
    ],
)
def test_words_changed(before: str, after: str, count: int):
    assert words_changed(before.split(), after.split()) == count


def edits(before: tuple[str, ...], after: tuple[str, ...]) -> int:
    """Levenshtein's distance as its definition says it."""
    if not before or not after:
        return len(before) + len(after)
    return min(
        edits(before[1:], after[1:]) + (before[0] != after[0]),
        edits(before[1:], after) + 1,
        edits(before, after[1:]) + 1,
    )


@settings(deadline=None)
@given(WORD_LISTS, WORD_LISTS)
def test_words_changed_is_the_fewest_edits_or_where_counts_agree_the_places(
    before: list[str], after: list[str]
):
    count = words_changed(before, after)
    assert count == words_changed(after, before) and (count == 0) is (before == after)
    if len(before) == len(after):
        assert count == sum(old != new for old, new in zip(before, after, strict=True))
    else:
        assert count == edits(tuple(before), tuple(after))


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["good", "film", "it's", "×", "a-b", "'", "x_y@z.com", "O`k", "!", "naïve", "_"]
        ),
        max_size=8,
    ),
    st.data(),
)
def test_it_is_textattacks_number_where_its_words_are_as_many(
    words: list[str], data: st.DataObject
):
    textattack(find_resources(None))
    from textattack.shared import AttackedText

    others = [data.draw(st.sampled_from([word, "new", "word"])) for word in words]
    first, two = AttackedText(" ".join(words)), AttackedText(" ".join(others))
    assert (words_of(first.text), words_of(two.text)) == (first.words, two.words)
    if len(first.words) == len(two.words):
        assert words_changed(first.words, two.words) == len(first.all_words_diff(two))


def test_the_words_of_a_pair_are_counted_together():
    assert words_of_all(("a good", "film !")) == ["a", "good", "film"] and words_of_all(
        ("a", None)
    ) == ["a"]

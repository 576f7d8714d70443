"""Word-by-word differences between a text and what an attack made of it."""

import pytest

from engine.attacks.changes import Piece, word_changes


@pytest.mark.parametrize(
    ("before", "after", "pieces"),
    [
        ("a good film", "a good film", [Piece("a good film", "a good film")]),
        ("a good film", "a godo film", [Piece("a", "a"), Piece("good", "godo"), Piece("film", "film")]),
        ("good film here", "godo fiml here", [Piece("good", "godo"), Piece("film", "fiml"), Piece("here", "here")]),
        ("a good film", "a go od film", [Piece("a", "a"), Piece("good", "go od"), Piece("film", "film")]),
        ("a very good film", "a film", [Piece("a", "a"), Piece("very good", ""), Piece("film", "film")]),
        ("a film", "a new film", [Piece("a", "a"), Piece("", "new"), Piece("film", "film")]),
        ("", "", []),
        ("", "new", [Piece("", "new")]),
    ],
)
def test_pieces(before: str, after: str, pieces: list[Piece]):
    assert word_changes(before, after) == pieces


def test_words_that_recur_in_a_long_text_are_matched_too():
    often = " very" * 250
    assert word_changes("good" + often, "godo" + often) == [Piece("good", "godo"), Piece(often.strip(), often.strip())]


def test_only_differing_pieces_are_changed():
    assert [piece.changed for piece in word_changes("a good film", "a godo film")] == [False, True, False]


@pytest.mark.parametrize(("before", "after"), [("the the a the b", "the a the the c b"), ("x y z " * 90, "x y q " * 90)])
def test_pieces_spell_both_texts(before: str, after: str):
    pieces = word_changes(before, after)
    assert " ".join(piece.before for piece in pieces if piece.before) == before.strip()
    assert " ".join(piece.after for piece in pieces if piece.after) == after.strip()

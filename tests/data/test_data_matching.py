"""Which class of a model a label means: by meaning, in every way that people write labels, or a
refusal.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.engine.data.matching import class_places, match_labels, numbers_in
from prunescope.engine.data.records import Classes
from prunescope.engine.errors import DataError

NAMELESS = tuple(f"LABEL_{n}" for n in range(3))
STARS = tuple(f"{n} star{'s' if n > 1 else ''}" for n in range(1, 6))


def numbers(*values: int) -> Classes:
    return Classes(values=tuple(sorted(values)))


def names(*called: str, numbered: bool = False) -> Classes:
    return Classes(called, numbered, tuple(range(len(called))))


def places(classes: Classes, own: tuple[str, ...]) -> dict[int, int]:
    return dict(match_labels(classes, own, "m", "d.csv").places)


@pytest.mark.parametrize(
    ("theirs", "own", "result"),
    [
        (("neg", "pos"), ("neg", "pos"), [0, 1]),
        (("business", "Sci/Tech"), ("World", "Sci/Tech", "Business"), [2, 1]),
        (("sci_tech", "world"), ("World", "Sci/Tech"), [1, 0]),
        (("neg", "pos"), ("POSITIVE", "NEGATIVE"), [1, 0]),
        (("not_equivalent", "equivalent"), ("equivalent", "not equivalent"), [1, 0]),
        (("C++", "C"), ("C", "C++", "C#"), [1, 0]),  # punctuation is all that tells them apart
        (("Positive", "positive"), ("negative", "positive"), [1, 1]),  # one class in two spellings
        (("a b", "a-b"), ("a b", "a-b"), [0, 1]),
        (("cat", "dog"), ("negative", "positive"), None),
        (("a", "b"), ("A", "a"), None),
    ],
)
def test_names_by_meaning(theirs, own, result):
    assert class_places(theirs, own) == result


def test_numbers_that_a_class_is_called_by():
    assert numbers_in(STARS) == [1, 2, 3, 4, 5]
    assert numbers_in(["C2", "C10"]) == [2, 10] and numbers_in(["-1", "1"]) == [-1, 1]
    assert (
        numbers_in(["covid19", "sars2"]) is None
        and numbers_in(["a1b2", "a2b2"]) is None
        and numbers_in(["x1", "X 1"]) is None
    )


def test_numbers_from_zero_are_class_numbers():
    assert places(numbers(0, 1, 2), NAMELESS) == {0: 0, 1: 1, 2: 2}
    assert places(numbers(0, 2), ("a", "b", "c")) == {0: 0, 2: 2}
    assert match_labels(numbers(0, 1), ("a", "b"), "m", "d").notice is None


def test_numbers_from_one_and_from_minus_one_are_said():
    match = match_labels(numbers(1, 2), ("bad", "good"), "m", "d.csv")
    assert match.places == {1: 0, 2: 1}
    assert match.notice == (
        "The labels of d.csv are taken for the classes of m in this order: 1 for bad, 2 for good. "
        "Where that is wrong, say which is which with `label_map`."
    )
    match = match_labels(numbers(-1, 1), ("bad", "good"), "m", "d.csv")
    assert match.places == {-1: 0, 1: 1} and "-1 for bad, 1 for good" in (match.notice or "")


def test_ratings_are_read_by_the_numbers_that_the_model_calls_its_classes():
    assert places(numbers(1, 3, 5), STARS) == {1: 0, 3: 2, 5: 4}
    assert places(numbers(1, 3, 5), ("1", "2", "3", "4", "5")) == {1: 0, 3: 2, 5: 4}
    counted = match_labels(numbers(0, 4), STARS, "m", "d")
    assert counted.places == {0: 0, 4: 4} and "0 for 1 star, 4 for 5 stars" in (
        counted.notice or ""
    )


@pytest.mark.parametrize(
    ("classes", "own"),
    [
        (numbers(1, 2), ("a", "b", "c")),
        (numbers(1, 2), NAMELESS),
        (numbers(1, 2, 3), STARS),
        (names("C1", "C2"), NAMELESS),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_are_refused(classes, own):
    with pytest.raises(
        DataError,
        match=r"may be counted from 0 or (from 1|be the numbers in their names)\. Say which: "
        r"`label_map=",
    ):
        match_labels(classes, own, "m", "d.csv")


@pytest.mark.parametrize(
    ("classes", "own"),
    [
        (numbers(0, 4), ("neg", "pos")),
        (numbers(0, 3), NAMELESS),
        (numbers(-1, 0, 1), NAMELESS),
        (numbers(-1, 0, 1), ("a", "b")),
        (numbers(2, 9), NAMELESS),
        (numbers(-1, 1), NAMELESS),
        (names("C0", "C1", "C7"), NAMELESS),
    ],
)
def test_numbers_outside_the_model_are_refused_with_their_place(classes, own):
    with pytest.raises(
        DataError, match=r"Here has the label -?\d+, outside the 0\.\.\d of m \(.*`label_map="
    ):
        match_labels(classes, own, "m", "d.csv", lambda label: "Here")


def test_names_with_numbers_are_class_numbers_where_nothing_else_is_known():
    twelve = tuple(f"LABEL_{n}" for n in range(12))
    assert places(names(*(f"C{n}" for n in range(1, 13))), twelve) == {n: n for n in range(12)}
    assert places(names(*(f"class_{n}" for n in range(12))), twelve) == {n: n for n in range(12)}


@pytest.mark.parametrize("own", [("LABEL_0", "LABEL_1"), ("cat", "dog")])
def test_names_that_the_model_does_not_know_are_refused(own):
    with pytest.raises(
        DataError,
        match=r"d.csv calls its classes bad, good, and m calls them .*; nothing says which",
    ):
        match_labels(names("bad", "good"), own, "m", "d.csv")


def test_a_set_with_further_classes_names_the_first():
    with pytest.raises(
        DataError, match=r"Row 7 has the label 'mixed', and m calls its classes neg, pos"
    ):
        match_labels(
            names("mixed", "neg", "pos"), ("neg", "pos"), "m", "d.csv", lambda label: "Row 7"
        )


def test_a_schema_or_true_and_false_count_as_numbers_where_the_model_has_no_names():
    match = match_labels(names("bad", "good", numbered=True), ("LABEL_0", "LABEL_1"), "m", "d")
    assert match.places == {0: 0, 1: 1} and "bad for LABEL_0, good for LABEL_1" in (
        match.notice or ""
    )
    match = match_labels(names("False", "True", numbered=True), ("ham", "spam"), "m", "d")
    assert match.places == {0: 0, 1: 1} and "False for ham, True for spam" in (match.notice or "")
    assert places(names("False", "True", numbered=True), ("true", "false")) == {0: 1, 1: 0}
    with pytest.raises(DataError, match="nothing says which is which"):
        match_labels(names("bad", "good", numbered=True), ("cat", "dog"), "m", "d")
    with pytest.raises(DataError, match="nothing says which is which"):
        match_labels(names("bad", "fair", "good", numbered=True), ("LABEL_0", "LABEL_1"), "m", "d")


def test_classes_in_an_unusual_order_are_said_or_refused():
    """Of positive and negative −1 is the latter by meaning, whatever the model's order; plain
    numbers are class numbers.
    """
    turned = ("positive", "negative")
    match = match_labels(numbers(0, 1), turned, "m", "d")
    assert match.places == {0: 0, 1: 1} and "0 for positive, 1 for negative" in (match.notice or "")
    for classes in (numbers(-1, 1), numbers(1, 2), names("False", "True", numbered=True)):
        with pytest.raises(DataError, match="nothing says which is which"):
            match_labels(classes, turned, "m", "d")
    assert "1 for neutral" in (
        match_labels(numbers(0, 1), ("negative", "neutral", "positive"), "m", "d").notice or ""
    )
    assert "0 for contradiction" in (
        match_labels(numbers(0, 1, 2), ("contradiction", "entailment", "neutral"), "m", "d").notice
        or ""
    )


def test_a_hyphen_is_no_minus_and_numbers_in_other_words_count():
    assert numbers_in(["grade-3", "grade-1"]) == [3, 1] and numbers_in(["class -1", "class 1"]) == [
        -1,
        1,
    ]
    assert places(numbers(1, 2, 3), ("grade-3", "grade-2", "grade-1")) == {1: 2, 2: 1, 3: 0}
    with pytest.raises(DataError, match="or be the numbers in their names"):
        match_labels(numbers(0, 1), ("1_positive", "0_negative"), "m", "d")
    assert places(numbers(0, 1), ("0_negative", "1_positive")) == {0: 0, 1: 1}


def test_the_label_map_of_a_message_can_be_typed():
    with pytest.raises(DataError, match=r"""`label_map=\{"a, b": …, "c": …\}`, with 0 for x"""):
        match_labels(names("a, b", "c"), ("x", "y"), "m", "d")


def test_a_label_map_is_taken_at_its_word():
    assert places(Classes(None, True, (1, 2)), NAMELESS) == {1: 1, 2: 2}
    with pytest.raises(DataError, match=r"has the class 5 by the label map, outside the 0\.\.2"):
        match_labels(Classes(None, True, (0, 5)), NAMELESS, "m", "d")


WORDS = ("World", "Sports", "Business", "Sci/Tech", "Health", "Law")


@st.composite
def encodings(draw: st.DrawFn) -> tuple[tuple[str, ...], dict[int, int], Classes]:
    """A model's names, the labels that it predicts (label as numbered by the file → class), and how
    the file writes them.
    """
    count = draw(st.integers(2, 6))
    style = draw(st.sampled_from(("words", "nameless", "stars")))
    own = {
        "words": WORDS[:count],
        "nameless": tuple(f"LABEL_{n}" for n in range(count)),
        "stars": tuple(str(n) for n in range(1, count + 1)),
    }[style]
    recorded = sorted(draw(st.sets(st.integers(0, count - 1), min_size=2)))
    kind = draw(st.sampled_from(("zero", "one", "names", "schema", "C", "class_")))
    if kind == "zero":
        return own, {n: n for n in recorded}, numbers(*recorded)
    if kind == "one":
        return own, {n + 1: n for n in recorded}, numbers(*(n + 1 for n in recorded))
    if kind in ("C", "class_"):
        called = [f"{kind}{n + (kind == 'C')}" for n in recorded]
        return own, dict(enumerate(recorded)), names(*called)
    change = draw(st.sampled_from((str.lower, str.upper, str)))
    if kind == "names":
        order = draw(st.permutations(recorded))
        return own, dict(enumerate(order)), names(*(change(own[n]) for n in order))
    order = draw(st.permutations(range(count)))
    return (
        own,
        {order.index(n): n for n in recorded},
        Classes(
            tuple(change(own[n]) for n in order),
            True,
            tuple(sorted(order.index(n) for n in recorded)),
        ),
    )


@given(encodings())
def test_the_labels_that_a_model_predicts_are_read_as_these_or_refused(case):
    own, truth, classes = case
    try:
        match = match_labels(classes, own, "m", "d")
    except DataError:
        return
    assert {label: match.places[label] for label in truth} == truth

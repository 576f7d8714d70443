"""Further texts to calibrate on: how files are read, and how long texts are cut."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from prunescope.engine.data import Examples
from prunescope.engine.data.columns import Choice
from prunescope.engine.data.unlabelled import FEWEST_WORDS, NO_LABEL, further_texts
from prunescope.engine.errors import DataError

OWN = Examples(tuple(f"a plain short sentence {number}" for number in range(50)), None, (0,) * 50)
PAIRS = Examples(("a dog runs",), ("an animal moves",), (1,))
REVIEW = "The first one is good. The second is dull!<br /><br />A third, of words.\nNo. " + (
    "word " * 30
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, dict[str, list[object]]], str]:
    def written(name: str, columns: dict[str, list[object]]) -> str:
        path = tmp_path / name
        frame = pd.DataFrame(columns)
        if path.suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_csv(path, sep="\t", index=False)
        return str(path)

    return written


def read(files: list[str], own: Examples = OWN, **more: object) -> Examples:
    given = {"exclude": set(), "choice": Choice(), "seed": 0, **more}
    return further_texts(files, own, **given)  # type: ignore[arg-type]


def test_texts_alone_are_read_each_once_and_not_those_that_are_known(
    write: Callable[[str, dict[str, list[object]]], str],
) -> None:
    first = write("first.tsv", {"sentence": ["one new text", OWN.texts[3], "told twice over"]})
    second = write(
        "second.parquet",
        {"text": ["told twice over", "held out already", " more of it ", None], "label": [7] * 4},
    )
    texts = read([first, second], exclude={("held out already", "")})
    assert sorted(texts.texts) == ["more of it", "one new text", "told twice over"]
    assert texts.pairs is None and set(texts.labels) == {NO_LABEL}


def test_no_part_of_a_text_that_is_left_out_is_read(
    write: Callable[[str, dict[str, list[object]]], str],
) -> None:
    known = {("held out already ", ""), (REVIEW, "")}  # as they are in the study's data
    short = write("short.tsv", {"text": ["held out already", "a new text"]})
    assert read([short], exclude=known).texts == ("a new text",)
    long = write("long.parquet", {"text": [REVIEW, "Held out.\nheld out already\n" * 9]})
    assert read([long], exclude=known).texts == ()
    blank = Examples(tuple(f"{text} " for text in OWN.texts), None, OWN.labels)
    own = write("own.tsv", {"text": list(OWN.texts)})
    assert read([own], own=blank).texts == ()


def test_the_order_is_drawn_with_the_seed(
    write: Callable[[str, dict[str, list[object]]], str],
) -> None:
    file = write("many.tsv", {"text": [f"a text with number {number}" for number in range(40)]})
    drawn = [read([file], seed=seed).texts for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2] and sorted(drawn[0]) == sorted(drawn[2])


def test_texts_that_are_much_longer_are_cut_into_sentences_of_the_usual_length(
    write: Callable[[str, dict[str, list[object]]], str],
) -> None:
    file = write("reviews.parquet", {"review": [REVIEW]})
    most = max(len(text.split()) for text in OWN.texts)
    texts = read([file])
    assert set(texts.texts) == {
        "The first one is good.",
        "The second is dull!",
        "A third, of words.",
        " ".join(["word"] * most),
    }
    assert all(FEWEST_WORDS <= len(text.split()) <= most for text in texts.texts)
    alike = read([file], own=Examples((REVIEW + " and more",), None, (0,)))
    assert alike.texts == (REVIEW.strip(),)


def test_a_named_column_counts_where_the_file_has_it(
    write: Callable[[str, dict[str, list[object]]], str],
) -> None:
    named = write("named.tsv", {"title": ["of the title"], "text": ["of the text"]})
    usual = write("usual.tsv", {"text": ["of another text"]})
    texts = read([named, usual], choice=Choice.of("title"))
    assert sorted(texts.texts) == ["of another text", "of the title"]


def test_pairs_need_files_of_pairs(
    write: Callable[[str, dict[str, list[object]]], str],
) -> None:
    pairs = write("pairs.tsv", {"premise": ["a cat sits"], "hypothesis": ["it rests"]})
    single = write("single.tsv", {"text": ["a cat sits"]})
    texts = read([pairs], own=PAIRS)
    assert (texts.texts, texts.pairs) == (("a cat sits",), ("it rests",))
    assert read([pairs]).texts == ("a cat sits",)
    with pytest.raises(DataError, match=r"single\.tsv holds single texts, and the study's are pa"):
        read([single], own=PAIRS)


def test_a_file_without_text_or_that_is_not_there_is_named(
    write: Callable[[str, dict[str, list[object]]], str], tmp_path: Path
) -> None:
    numbers = write("numbers.parquet", {"text": [1.5, 2.5]})
    with pytest.raises(DataError, match=r"numbers\.parquet holds no text; leave it out of"):
        read([numbers])
    with pytest.raises(DataError, match=r"no folder or file .*missing\.tsv"):
        read([str(tmp_path / "missing.tsv")])

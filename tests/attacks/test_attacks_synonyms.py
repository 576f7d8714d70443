"""The project's synonym lexicon, and the other sources of neighbours."""

import gzip
import json
import os
import re
from pathlib import Path

import pytest

from prunescope.engine.attacks.resources import LEXICON, Source, find_resources
from prunescope.engine.attacks.synonyms import (
    counterfitted_neighbours,
    in_the_case_of,
    lexicon_neighbours,
    load_lexicon,
)
from prunescope.engine.errors import ResourceError

WORDS = load_lexicon()
ANTONYMS = [
    tuple(pair.split())
    for line in (Path(__file__).parent / "antonyms.txt").read_text().splitlines()
    for pair in line.split(", ")
]
FACTS = set(
    "zero one two three four five six seven eight nine ten eleven twelve hundred thousand million "
    "billion third fourth monday tuesday wednesday thursday friday saturday sunday january "
    "february march april may june july august september october november december today tomorrow "
    "yesterday north south east west northern southern eastern western america american britain "
    "british china chinese france french germany german india iraq iran israel japan japanese "
    "russia russian president king queen red green blue black white gold silver bronze dollar euro "
    "pound percent year month week day hour minute football soccer baseball basketball tennis "
    "hockey golf not no never none nothing nobody without".split()
)


def test_lexicon_has_the_words_it_promises():
    assert len(WORDS) >= 1500
    assert {part for part, _ in WORDS.values()} == {"adj", "adv", "noun", "verb"}
    assert sum(len(synonyms) for _, synonyms in WORDS.values()) >= 2 * len(WORDS)


def test_lines_are_well_formed():
    lines = LEXICON.read_text(encoding="utf-8").splitlines()[1:]
    heads = [line.split("\t")[0] for line in lines]
    assert heads == sorted(set(heads))
    for word, (_, synonyms) in WORDS.items():
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", found) for found in (word, *synonyms)), word
        assert synonyms and word not in synonyms and len(set(synonyms)) == len(synonyms), word


def test_no_antonyms_meet():
    assert len({frozenset(pair) for pair in ANTONYMS}) >= 150
    for first, second in ANTONYMS:
        meeting = [
            word for word, (_, synonyms) in WORDS.items() if {first, second} <= {word, *synonyms}
        ]
        assert meeting == [], (first, second)


def test_every_antonym_pair_has_a_word_that_the_lexicon_knows():
    """Else the list would test nothing."""
    known = {found for word, (_, synonyms) in WORDS.items() for found in (word, *synonyms)}
    assert sum(bool(known & set(pair)) for pair in ANTONYMS) >= 0.95 * len(ANTONYMS)
    assert sum(set(pair) <= known for pair in ANTONYMS) >= 150


def test_no_fact_is_swapped():
    assert FACTS & set(WORDS) == set()
    for word, (_, synonyms) in WORDS.items():
        assert FACTS & set(synonyms) - {"minute"} == set(), word  # an instant


def test_prefixes_of_negation_do_not_meet_their_stem():
    for word, (_, synonyms) in WORDS.items():
        for prefix in ("un", "in", "im", "dis", "non", "ir", "il"):
            assert prefix + word not in synonyms, word
            assert word.removeprefix(prefix) not in synonyms or not word.startswith(prefix), word


def test_synonyms_share_the_inflection_of_their_word():
    """Where a verb's ending tells its form, its synonyms have that form."""
    for word, (part, synonyms) in WORDS.items():
        if (
            part == "verb"
            and word.endswith("ing")
            and word not in ("bring", "cling", "sing", "spring")
        ):
            assert all(found.endswith("ing") for found in synonyms), word
        if part == "adv" and word.endswith("ing"):
            raise AssertionError(word)


def test_share_of_pairs_that_are_counter_fitted_neighbours():
    """Written apart from it, the lexicon agrees with the counter-fitted space far more than chance
    would.
    """
    folder = Path(os.environ.get("PRUNESCOPE_DATA") or "/nowhere")
    if not (folder / "lexicon").is_dir():
        pytest.skip("PRUNESCOPE_DATA names no folder with lexicon/")
    near = counterfitted_neighbours(find_resources(str(folder)).parts["neighbours"])
    pairs = [
        (word, found)
        for word, (_, synonyms) in WORDS.items()
        for found in synonyms
        if near(word, 8)
    ]
    share = sum(found in near(word, 8) or word in near(found, 8) for word, found in pairs) / len(
        pairs
    )
    print(f"{share:.1%} of {len(pairs)} pairs")
    assert share > 0.3


def test_neighbours_of_the_lexicon_come_best_first():
    near = lexicon_neighbours(find_resources(None).parts["lexicon"])
    assert near("film", 2) == WORDS["film"][1][:2]
    assert near("film", 99) == WORDS["film"][1]
    assert tuple(near("zyzzyva", 5)) == ()


def test_damaged_lexicon_is_an_error(tmp_path: Path):
    (tmp_path / "synonyms.tsv").write_text("film\tnoun\tmovie\n")
    with pytest.raises(ResourceError, match="clone it again"):
        load_lexicon(tmp_path / "synonyms.tsv")


def test_list_of_neighbours(tmp_path: Path):
    file = tmp_path / "counterfitted_neighbors.json.gz"
    with gzip.open(file, "wt") as opened:
        json.dump({"film": ["movie", "flick"], "alone": []}, opened)
    near = counterfitted_neighbours(Source((file,), "named folder"))
    assert [list(near(word, 1)) for word in ("film", "alone", "unknown")] == [["movie"], [], []]


def test_vectors_give_the_nearest_of_a_cosine_of_at_least_one_half(tmp_path: Path):
    file = tmp_path / "counter-fitted-vectors.txt"
    file.write_text("film 1 0\nmovie 2 0.2\nflick 1 1\nfar 1 1.8\nanti -1 0\n")
    near = counterfitted_neighbours(Source((file,), "named folder"))
    assert [near("film", most) for most in (9, 1)] == [("movie", "flick"), ("movie",)]
    assert (near("unknown", 9), near("anti", 9)) == ((), ())


def test_damaged_vectors_are_an_error(tmp_path: Path):
    (tmp_path / "counter-fitted-vectors.txt").write_text("film 1 0\nmovie 1\n")
    with pytest.raises(ResourceError, match="copy it again"):
        counterfitted_neighbours(Source((tmp_path / "counter-fitted-vectors.txt",), "named folder"))


CASES = [("film", "movie"), ("FILM", "MOVIE"), ("Film", "Movie"), ("fIlm", "movie"), ("F", "movie")]


@pytest.mark.parametrize(("like", "found"), CASES)
def test_case_is_kept(like: str, found: str):
    assert in_the_case_of("movie", like) == found

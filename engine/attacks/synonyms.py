"""Words that may stand for a word: counter-fitted neighbours where a folder has them, else the
project's own lexicon.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from prunescope.engine.attacks.resources import LEXICON, Source
from prunescope.engine.errors import ResourceError

# (lower-case word, most wanted) → neighbours, best first
Neighbours = Callable[[str, int], Sequence[str]]
LEAST_COSINE = 0.5  # of two counter-fitted vectors, TextFooler's
HEADER = "word\tpart_of_speech\tsynonyms"


@lru_cache(maxsize=2)
def load_lexicon(file: Path = LEXICON) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The lexicon: word → (part of speech, synonyms, best first).

    One line a word, `word<TAB>part of speech<TAB>synonym,synonym,…`; a word stands under one part
    of speech alone, its synonyms are of that part of speech and of the same inflection. Raises
    ResourceError for a damaged file.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0] != HEADER:
        raise ResourceError(
            f"The synonym lexicon {file} is damaged; the installation is incomplete: clone it "
            "again."
        )
    rows = (line.split("\t") for line in lines[1:])
    return {word: (part, tuple(synonyms.split(","))) for word, part, synonyms in rows}


def lexicon_neighbours(source: Source) -> Neighbours:
    """Neighbours from the project's lexicon."""
    words = load_lexicon(source.files[0])
    return lambda word, most: words[word][1][:most] if word in words else ()


@lru_cache(maxsize=2)
def _load_neighbours(file: Path) -> dict[str, list[str]]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as opened:
            neighbours: dict[str, list[str]] = json.load(opened)
        if not isinstance(neighbours, dict) or not all(
            isinstance(words, list) for words in neighbours.values()
        ):
            raise ValueError("it holds something else")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ResourceError(
            f"{file} cannot be read as a packed JSON object of word lists ({error}); copy it again."
        ) from error
    return neighbours


class _Vectors:
    """Counter-fitted vectors: a word's neighbours are the nearest others by cosine, down to
    `LEAST_COSINE`.
    """

    def __init__(self, file: Path) -> None:
        words, rows = [], []
        try:
            with file.open(encoding="utf-8") as opened:
                for line in opened:
                    word, *values = line.rstrip().split(" ")
                    words.append(word)
                    rows.append(np.array(values, dtype=np.float32))
            vectors = np.stack(rows)  # (words, 300)
        except (OSError, ValueError) as error:
            raise ResourceError(
                f"{file} cannot be read as lines of a word and its numbers ({error}); copy it "
                "again."
            ) from error
        self._words, self._places = words, {word: index for index, word in enumerate(words)}
        self._vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
        self._found: dict[tuple[str, int], tuple[str, ...]] = {}

    def __call__(self, word: str, most: int) -> tuple[str, ...]:
        if word not in self._places:
            return ()
        if (word, most) not in self._found:
            row = self._places[word]
            cosines = self._vectors @ self._vectors[row]
            cosines[row] = -1.0
            order = np.argsort(-cosines, kind="stable")[:most]
            self._found[word, most] = tuple(
                self._words[i] for i in order if cosines[i] >= LEAST_COSINE
            )
        return self._found[word, most]


@lru_cache(maxsize=1)
def _vectors(file: Path) -> _Vectors:
    return _Vectors(file)


def counterfitted_neighbours(source: Source) -> Neighbours:
    """Neighbours in the counter-fitted space (Mrkšić et al. 2016, arXiv:1603.00892), from vectors
    or from a list.

    Vectors give up to `most` words of a cosine of at least 0.5, as in TextFooler; a list gives
    those that its makers kept, up to 8 a word in the one of Jia et al. (2019, arXiv:1909.00986).
    Raises ResourceError for a damaged file.
    """
    file = source.files[0]
    if file.suffix == ".txt":
        return _vectors(file)
    words = _load_neighbours(file)
    return lambda word, most: words.get(word, ())[:most]


def in_the_case_of(word: str, like: str) -> str:
    """`word` written as `like` is: lower, UPPER or Capitalised; as it is where `like` is none of
    these.
    """
    if like.islower():
        return word.lower()
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like[0].isupper() and like[1:].islower() else word

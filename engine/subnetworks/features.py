"""What a bias model sees: how the words of two texts overlap, or the words of one text alone."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from prunescope.engine.errors import DataError, ResourceError
from prunescope.engine.paths import expanded
from prunescope.engine.progress import SILENT, Progress

Array = NDArray[np.float32]
WORD = re.compile(r"\w+|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Lower-cased words and marks."""
    return WORD.findall(text.lower())


@dataclass(slots=True)
class Vectors:
    """A vector for every word: from a file in fastText's text format, or the mean of its pieces'
    input embeddings.
    """

    name: str
    known: dict[str, Array]
    pieces: tuple[object, Array] | None = None  # (tokenizer, embeddings (pieces, width))

    def of(self, words: Sequence[str]) -> Array:
        """Unit vectors, (words, width); zeros for a word that the file does not know."""
        return np.stack([self._vector(word) for word in words])

    def _vector(self, word: str) -> Array:
        if (vector := self.known.get(word)) is not None:
            return vector
        if self.pieces is None:
            return np.zeros_like(next(iter(self.known.values())))
        tokenizer, table = self.pieces
        ids = tokenizer(word, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
        mean = table[ids].mean(axis=0) if ids else np.zeros(table.shape[1], dtype=np.float32)
        self.known[word] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return self.known[word]


@lru_cache(maxsize=2)
def word_vectors(source: str = "embedded") -> Vectors:
    """`embedded`: the input embeddings of the embedded base; else a file of `word x x x …` lines
    such as fastText's.

    Raises ResourceError for a file that cannot be read as one.
    """
    if source == "embedded":
        return _embedded()
    try:
        vectors = _from_file(expanded(source))
    except (OSError, ValueError) as error:
        raise ResourceError(
            f"The word vectors {source} cannot be read ({error}); give a file of lines `word x x "
            "x`."
        ) from error
    return Vectors(Path(source).name, vectors)


def _from_file(path: Path) -> dict[str, Array]:
    vectors = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            word, *numbers = line.rstrip().split(" ")
            if len(numbers) > 1:  # the first line of fastText's files holds two counts
                vector = np.array(numbers, dtype=np.float32)
                vectors[word] = vector / max(float(np.linalg.norm(vector)), 1e-12)
    if len({len(vector) for vector in vectors.values()}) != 1:
        raise ValueError("its lines are not equally long")
    return vectors


def _embedded() -> Vectors:
    from transformers import AutoTokenizer

    from prunescope.engine.models.embedded import embedded_base

    folder = embedded_base()
    with safe_open(str(folder / "model.safetensors"), framework="pt") as file:
        name = next(name for name in file.keys() if name.endswith("word_embeddings.weight"))  # noqa: SIM118  not a dict
        table = file.get_tensor(name).to(torch.float32).numpy()
    return Vectors(
        "embedded", {}, (AutoTokenizer.from_pretrained(folder, local_files_only=True), table)
    )


OVERLAP = (
    "all words in the first text",
    "a run of the first text",
    "share of words in the first text",
    "mean similarity",
    "least similarity",
    "second least similarity",
    "log length difference",
)


def overlap_features(
    texts: Sequence[str], pairs: Sequence[str] | None, vectors: Vectors, report: Progress = SILENT
) -> Array:
    """How the second text's words are found in the first, (rows, 7), in the order of `OVERLAP`.

    Similarities are over the second text's words, each to its closest word of the first. Source:
    Clark et al., EMNLP 2019. Raises DataError for single texts.
    """
    if pairs is None:
        raise DataError(
            "Overlap features compare two texts and these rows hold single ones; give pairs, or "
            "`features=claim` or bag."
        )
    rows = np.empty((len(texts), len(OVERLAP)), dtype=np.float32)
    for number, (first, second) in enumerate(zip(texts, pairs, strict=True)):
        if number % 256 == 0:
            report("overlap of words", number, len(texts))
        rows[number] = _overlap(words_of(first) or [""], words_of(second) or [""], vectors)
    return rows


def _overlap(first: list[str], second: list[str], vectors: Vectors) -> list[float]:
    there = set(first)
    shared = [word in there for word in second]
    run = any(first[i : i + len(second)] == second for i in range(len(first) - len(second) + 1))
    closest = np.sort((vectors.of(second) @ vectors.of(first).T).max(axis=1))
    return [
        float(all(shared)),
        float(run),
        sum(shared) / len(shared),
        float(closest.mean()),
        float(closest[0]),
        float(closest[min(1, len(closest) - 1)]),
        math.log(1 + max(len(first) - len(second), 0)),
    ]


def claim_features(texts: Sequence[str], vectors: Vectors, report: Progress = SILENT) -> Array:
    """The largest value of every dimension over a text's word vectors, (rows, width). Source: P2,
    for FEVER.
    """
    rows = []
    for number, text in enumerate(texts):
        if number % 256 == 0:
            report("vectors of claims", number, len(texts))
        rows.append(vectors.of(words_of(text) or [""]).max(axis=0))
    return np.stack(rows)


def bag_features(texts: Sequence[str], width: int = 4096) -> Array:
    """Which of `width` hashed words and neighbouring words a text has, (rows, width), rows of unit
    length.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    maker = HashingVectorizer(
        n_features=width,
        ngram_range=(1, 2),
        alternate_sign=False,
        binary=True,
        tokenizer=words_of,
        token_pattern=None,
        lowercase=False,
    )
    counts: Array = maker.transform(texts).toarray().astype(np.float32)
    return counts

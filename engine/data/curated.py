"""Sentences that ship to be attacked with one click: written for this project, and found by search
among many, since they break one model and not another. Light to import.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from prunescope.engine import paths


@dataclass(frozen=True, slots=True)
class CuratedSentence:
    """One sentence, and the model that it is to be attacked on beside the dense one."""

    text: str
    label: int
    study: str  # key, or its first 12 digits
    sparsity: float
    attack: str
    seed: int
    look_at: str  # one line: what the attack shows
    expected: Mapping[str, str]  # sparsity → outcome, see `AttackRecord`


@dataclass(frozen=True, slots=True)
class CuratedSentences:
    """All of them, and among how many they were found."""

    sentences: tuple[CuratedSentence, ...] = ()
    searched: int = 0
    # of those that were searched: dense withstands and a pruned model fails, and the reverse
    sparse_fails: int = 0
    dense_fails: int = 0


@cache
def curated_sentences() -> CuratedSentences:
    """The sentences that ship; none where the file is missing."""
    path = paths.BUNDLED / "sentences" / "curated.json"
    if not path.is_file():
        return CuratedSentences()
    content = json.loads(path.read_text(encoding="utf-8"))
    sentences = tuple(CuratedSentence(**sentence) for sentence in content["sentences"])
    counts = (
        "searched",
        "dense_withstands_and_a_pruned_model_fails",
        "dense_fails_and_a_pruned_model_withstands",
    )
    return CuratedSentences(sentences, *(int(content.get(name, 0)) for name in counts))

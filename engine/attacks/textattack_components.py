"""The parts of word-level recipes that TextAttack would load from the net, on this project's
resources.

Import this module only after `textattack_import.textattack`: it imports TextAttack. Each part
replaces one of TextAttack's and differs from it in the source of its words or numbers; what needs a
model asks a service.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from textattack.constraints import Constraint
from textattack.constraints.grammaticality import PartOfSpeech
from textattack.constraints.semantics.sentence_encoders.sentence_encoder import (
    SentenceEncoder as SentenceConstraint,
)
from textattack.shared.validators import transformation_consists_of_word_swaps
from textattack.transformations import WordSwap, WordSwapHomoglyphSwap, WordSwapWordNet
from torch import Tensor

from prunescope.engine.attacks.services import Service, ask
from prunescope.engine.attacks.synonyms import Neighbours, in_the_case_of


class SynonymSwap(WordSwap):  # type: ignore[misc]
    """Swaps a word for its neighbours, best first, in the word's case: `WordSwapEmbedding` with
    another source.
    """

    def __init__(self, neighbours: Neighbours, max_candidates: int) -> None:
        super().__init__()
        self._neighbours, self.max_candidates = neighbours, max_candidates

    def _get_replacement_words(self, word: str) -> list[str]:
        return [
            in_the_case_of(neighbour, word)
            for neighbour in self._neighbours(word.lower(), self.max_candidates)
        ]


class SortedWordNetSwap(WordSwapWordNet):  # type: ignore[misc]
    """`WordSwapWordNet` without its download, and with words in alphabetical order: a set's order
    changes from run to run.
    """

    def __init__(self) -> None:
        WordSwap.__init__(self)
        self.language = "eng"

    def _get_replacement_words(self, word: str, random: bool = False) -> list[str]:
        return sorted(super()._get_replacement_words(word))


class HomoglyphSwap(WordSwapHomoglyphSwap):  # type: ignore[misc]
    """`WordSwapHomoglyphSwap`, which also opens a table that its word swaps never read and
    TextAttack 0.3.11's wheel lacks.
    """

    def __init__(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            super().__init__()


class SentenceSimilarity(SentenceConstraint):  # type: ignore[misc]
    """TextAttack's sentence-encoder constraint, asking a service; texts that it lets pass unread
    are not encoded.
    """

    def __init__(self, service: Service, threshold: float, **how: Any) -> None:
        super().__init__(threshold=threshold, **how)
        self._service = service

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Embeddings (sentences, width)."""
        return torch.stack(ask(self._service, sentences))

    def _check_constraint_many(self, transformed_texts: Sequence[Any], reference_text: Any) -> Any:
        short = [
            self.skip_text_shorter_than_window and len(text.words) < self.window_size
            for text in transformed_texts
        ]
        if all(short):
            for text in transformed_texts:
                text.attack_attrs["similarity_score"] = 1.0
            return np.array(transformed_texts)
        return super()._check_constraint_many(transformed_texts, reference_text)


class SamePartOfSpeech(PartOfSpeech):  # type: ignore[misc]
    """TextAttack's part-of-speech constraint, asking a service for the tag at the word's own place.

    TextAttack takes the tag of the first word in the context that is spelled alike; where a word
    comes twice within four words before and three after, that may be another one's.
    """

    def __init__(self, service: Service, allow_verb_noun_swap: bool) -> None:
        Constraint.__init__(self, compare_against_original=True)
        self._service, self.allow_verb_noun_swap = service, allow_verb_noun_swap
        self.tagger_type, self.tagset = "nltk", "universal"

    def clear_cache(self) -> None:
        """There is none: the service's answers are kept elsewhere."""

    def _check_constraint_many(
        self, transformed_texts: Sequence[Any], reference_text: Any
    ) -> list[Any]:
        questions = [self._contexts(text, reference_text) for text in transformed_texts]
        contexts = [words for pairs in questions for index, *both in pairs for words in both]
        tags = dict(zip(contexts, ask(self._service, contexts), strict=True))
        return [
            text
            for text, pairs in zip(transformed_texts, questions, strict=True)
            if all(
                self._can_replace_pos(tags[old][index], tags[new][index])
                for index, old, new in pairs
            )
        ]

    def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:
        return bool(self._check_constraint_many([transformed_text], reference_text))

    @staticmethod
    def _contexts(
        transformed: Any, reference: Any
    ) -> list[tuple[int, tuple[str, ...], tuple[str, ...]]]:
        """For each changed word: its place in its context, and the context with the old word and
        with the new.
        """
        words, contexts = reference.words, []
        for i in sorted(transformed.attack_attrs["newly_modified_indices"]):
            before, after = words[max(i - 4, 0) : i], words[i + 1 : i + 4]
            contexts.append(
                (len(before), (*before, words[i], *after), (*before, transformed.words[i], *after))
            )
        return contexts


class Passed(Constraint):  # type: ignore[misc]
    """What the source of the words has seen to already: a least similarity of word vectors, or the
    part of speech.
    """

    def __init__(self) -> None:
        super().__init__(compare_against_original=True)

    def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:
        return True

    def check_compatibility(self, transformation: Any) -> bool:
        """Word swaps alone."""
        return bool(transformation_consists_of_word_swaps(transformation))

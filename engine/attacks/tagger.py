"""Parts of speech by NLTK's averaged perceptron, in the universal tag set, as a service."""

from collections.abc import Sequence
from functools import lru_cache

from prunescope.engine.attacks.services import check_cancel

Words = tuple[str, ...]


class Tagger:
    """A service: word sequences in, their universal tags out. NLTK's search path must be in order
    when it is made.
    """

    name = "part-of-speech tagger"
    cached = True

    def __init__(self) -> None:
        from nltk.tag import PerceptronTagger, tagset_mapping

        self._tagger, self._universal = (
            PerceptronTagger(),
            dict(tagset_mapping("en-ptb", "universal")),
        )

    def answer(self, items: Sequence[Words]) -> list[Words]:
        """One tag a word."""
        tags = []
        for count, words in enumerate(items):
            if count % 64 == 0:
                check_cancel()
            tags.append(
                tuple(self._universal.get(tag, "X") for _, tag in self._tagger.tag(list(words)))
            )
        return tags


@lru_cache(maxsize=2)
def tagger(_sha256: str) -> Tagger:
    """The tagger whose files have this content, loaded once; NLTK finds them on its search path."""
    return Tagger()

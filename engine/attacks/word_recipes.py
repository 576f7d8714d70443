"""Word-level recipes: TextAttack's own, built with parts that read this project's resources.

A recipe's source says everything about it: stop words, order of constraints, thresholds, search. So
it is built by TextAttack's `build`, in which the names of the parts that would fetch something
stand for ours meanwhile.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from prunescope.engine.attacks.resources import Resources
from prunescope.engine.attacks.synonyms import (
    Neighbours,
    counterfitted_neighbours,
    lexicon_neighbours,
)
from prunescope.engine.attacks.tagger import tagger

Part = Callable[..., Any]
# (resources, device) → TextAttack's name of a part → ours
Parts = Callable[[Resources, str], Mapping[str, Part]]
THRESHOLDS = {  # (metric, threshold for the Universal Sentence Encoder) → for MiniLM, see `encoder`
    ("angular", 0.840845057): 0.8333,  # TextFooler; 95 % of resampled samples: 0.816 to 0.850
    ("angular", 0.8): 0.7955,  # TextBugger; 0.765 to 0.813
    ("cosine", 0.936338023): 0.9355,  # BAE; 0.919 to 0.950
    ("cosine", 0.2): 0.2,  # BERT-Attack; not measured
}
_building = threading.Lock()


def with_parts(recipe: str, *parts: Parts) -> Callable[[Any, Any, Resources], Any]:
    """A builder of TextAttack's recipe `recipe`: (package, model wrapper, resources) → its
    `Attack`.
    """

    def build(package: Any, model: Any, resources: Resources) -> Any:
        kind = getattr(package.attack_recipes, recipe)
        module, device = sys.modules[kind.__module__], str(model.model.device)
        ours = {
            name: part
            for make_parts in parts
            for name, part in make_parts(resources, device).items()
            if hasattr(module, name)
        }
        with _building, _in_place(module, ours):
            return kind.build(model)

    return build


@contextmanager
def _in_place(module: Any, parts: Mapping[str, Part]) -> Iterator[None]:
    before = {name: getattr(module, name) for name in parts}
    vars(module).update(parts)
    try:
        yield
    finally:
        vars(module).update(before)


def _swap(neighbours: Neighbours) -> dict[str, Part]:
    from prunescope.engine.attacks.textattack_components import HomoglyphSwap, Passed, SynonymSwap

    return {
        "WordSwapEmbedding": partial(SynonymSwap, neighbours),
        "WordEmbeddingDistance": lambda **_: Passed(),
        "WordSwapHomoglyphSwap": HomoglyphSwap,
    }


def counterfitted(resources: Resources, _device: str) -> dict[str, Part]:
    """Swaps for counter-fitted neighbours; their source has seen to the least cosine."""
    return _swap(counterfitted_neighbours(resources.parts["neighbours"]))


def lexicon(resources: Resources, _device: str) -> dict[str, Part]:
    """Swaps for synonyms of the project's lexicon, which are of the same part of speech by how it
    was written.
    """
    from prunescope.engine.attacks.textattack_components import Passed

    return _swap(lexicon_neighbours(resources.parts["lexicon"])) | {
        "PartOfSpeech": lambda **_: Passed()
    }


def tagged(resources: Resources, _device: str) -> dict[str, Part]:
    """Parts of speech by NLTK's tagger."""
    from prunescope.engine.attacks.textattack_components import SamePartOfSpeech

    return {"PartOfSpeech": partial(SamePartOfSpeech, tagger(resources.parts["tagger"].sha256))}


def encoded(_resources: Resources, device: str) -> dict[str, Part]:
    """Sentence similarity by MiniLM, at its own thresholds."""
    from prunescope.engine.attacks.encoder import sentence_encoder
    from prunescope.engine.attacks.textattack_components import SentenceSimilarity

    def similarity(threshold: float, metric: str = "angular", **how: Any) -> Any:
        return SentenceSimilarity(
            sentence_encoder(device), THRESHOLDS[metric, threshold], metric=metric, **how
        )

    return {"UniversalSentenceEncoder": similarity}


def masked(resources: Resources, device: str) -> dict[str, Part]:
    """Swaps by a masked language model."""
    from prunescope.engine.attacks.masked import MaskedSwap, masked_lm

    source = resources.parts["masked-lm"]
    return {
        "WordSwapMaskedLM": partial(MaskedSwap, masked_lm(source.files[0], source.sha256, device))
    }


def wordnet(_resources: Resources, _device: str) -> dict[str, Part]:
    """Synonyms of WordNet, in a fixed order."""
    from prunescope.engine.attacks.textattack_components import SortedWordNetSwap

    return {"WordSwapWordNet": SortedWordNetSwap}

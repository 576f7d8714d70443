"""How much of a text's meaning an attack left, as far as a sentence encoder can tell."""

from collections.abc import Sequence

from prunescope.engine.attacks.encoder import sentence_encoder
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.evaluation.statistics import Statistic, bootstrap_mean


def similarity(texts: Sequence[AttackText], device: str = "cpu") -> Statistic:
    """Mean cosine of the embedded MiniLM between the original and the perturbed text, over the
    broken examples.

    A pair is read as one text, its columns joined by a space.
    """
    broken = [text for text in texts if text.record.outcome == "broken"]
    return bootstrap_mean(
        cosines(
            [
                (_joined(text.original, text.pair), _joined(text.perturbed, text.perturbed_pair))
                for text in broken
            ],
            device,
        )
    )


def cosines(pairs: Sequence[tuple[str, str]], device: str = "cpu") -> list[float]:
    """The cosine of the embedded MiniLM between the two texts of every pair."""
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    if not texts:
        return []
    embeddings = dict(zip(texts, sentence_encoder(device).answer(texts), strict=True))
    return [float((embeddings[first] * embeddings[second]).sum()) for first, second in pairs]


def _joined(text: str, pair: str | None) -> str:
    return text if pair is None else f"{text} {pair}"

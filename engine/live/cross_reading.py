"""What every victim says of texts that no attack on it has made: adversarial texts found on other
victims, and the original with a word left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from prunescope.engine.attacks.services import cancel_checks
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.attacks.word_diff import word_spans
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress

# words; leaving out each word of a longer text in turn takes longer than a page should wait
MOST_LEFT_OUT = 60


def word_importance(
    victims: Mapping[str, Victim], text: str, truth: int, report: Progress = SILENT
) -> dict[str, Any] | None:
    """Leave-one-out: by how much the probability of the true label falls without each word.

    p(y | x) − p(y | x without word i), one row a victim; None for a text of one word or of more
    than `MOST_LEFT_OUT`.
    """
    spans = word_spans(text)
    if not 1 < len(spans) <= MOST_LEFT_OUT:
        return None
    shortened = [" ".join(f"{text[:start]} {text[end:]}".split()) for start, end in spans]
    falls: dict[str, list[float]] = {}
    with cancel_checks(lambda: report("word importance", len(falls), len(victims))):
        for name, victim in victims.items():
            report("word importance", len(falls), len(victims))
            answers = _probabilities(victim, [text, *shortened])
            whole, *rest = (float(probabilities[truth]) for probabilities in answers)
            falls[name] = [round(whole - value, 6) for value in rest]
    return {"words": [text[start:end] for start, end in spans], "falls": falls}


def transferred(
    victims: Mapping[str, Victim], found: Mapping[str, str], truth: int
) -> dict[str, dict[str, Any]]:
    """The target's answer to each adversarial text, `found` on a source, by source and target.

    An answer is {label, truth}: the predicted label, and the probability of the true one.
    """
    rows: dict[str, dict[str, Any]] = {source: {} for source in found}
    for target, victim in victims.items():
        answers = _probabilities(victim, list(found.values()))
        for source, answer in zip(found, answers, strict=True):
            label, probability = int(answer.argmax()), round(float(answer[truth]), 6)
            rows[source][target] = {"label": label, "truth": probability}
    return rows


def _probabilities(victim: Victim, texts: Sequence[str]) -> list[Any]:
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return []
    answers = dict(zip(distinct, VictimService(victim).answer(distinct), strict=True))
    return [answers[text] for text in texts]

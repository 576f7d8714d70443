"""Transfer: do adversarial texts against one victim also succeed against another?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prunescope.engine.attacks.metrics import attack_rates
from prunescope.engine.attacks.static import (
    Answers,
    StaticSet,
    all_texts,
    check_range,
    judge,
    read_answers,
)
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.data import Examples
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import Rate


@dataclass(frozen=True, slots=True)
class Transfer:
    """How adversarial texts against one victim (the source) fare on another (the target)."""

    found: int  # examples broken on the source
    rate: Rate  # broken on the target / those of `found` that the target gets right without attack
    errors: int  # examples for which the target's answer is not finite; in no part of the rate


def adversarial_set(source: str, texts: Sequence[AttackText]) -> StaticSet | None:
    """The examples on which the attack succeeded, clean and adversarial; None for no success."""
    broken = [text for text in texts if text.record.outcome == "broken"]
    labels = tuple(text.truth for text in broken)
    clean = _examples([(text.original, text.pair) for text in broken], labels)
    adversarial = _examples([(text.perturbed, text.perturbed_pair) for text in broken], labels)
    return StaticSet(f"what broke {source}", adversarial, clean) if broken else None


def transfer(
    texts: Mapping[str, Sequence[AttackText]],
    victims: Mapping[str, Victim],
    report: Progress = SILENT,
) -> dict[str, dict[str, Transfer]]:
    """How often adversarial texts against a source also fool a target, by source and target.

    Only examples that both classify correctly without attack count. `texts` holds, by victim, the
    attacked examples; each victim reads each text once. A text that fooled its source fools it
    again, so a victim's rate against itself is below 1 only by rounding. Raises DataError where a
    true label is outside a victim's classes.
    """
    sets = {source: adversarial_set(source, attacked) for source, attacked in texts.items()}
    every_text = [text for static in sets.values() if static for text in all_texts(static)]
    rows: dict[str, dict[str, Transfer]] = {source: {} for source in texts}
    for name, victim in victims.items():
        for source_set in filter(None, sets.values()):
            check_range(source_set.adversarial, victim.num_labels, source_set.name)
        answers = read_answers(victim, every_text, report)
        for source, static in sets.items():
            rows[source][name] = (
                _transfer(name, static, answers) if static else Transfer(0, Rate.of(0, 0), 0)
            )
    return rows


def _transfer(target: str, static: StaticSet, answers: Answers) -> Transfer:
    result = judge(target, static, answers)
    return Transfer(len(static), attack_rates(result.attacks)[1], result.errors)


def _examples(texts: Sequence[tuple[str, str | None]], labels: tuple[int, ...]) -> Examples:
    pairs = [pair for _, pair in texts if pair is not None]
    return Examples(tuple(text for text, _ in texts), tuple(pairs) if pairs else None, labels)

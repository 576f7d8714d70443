"""Transfer: do the adversarial texts that were found on one victim break another?"""

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
    """Texts that broke one victim (the source), read by another (the target)."""

    found: int  # examples broken on the source
    rate: Rate  # broken on the target / those of `found` that the target gets right without attack
    errors: int  # examples for which the target's answer is not finite; in no part of the rate


def found_on(source: str, texts: Sequence[AttackText]) -> StaticSet | None:
    """The examples that the attack broke, with clean and adversarial text; None where it broke
    none.
    """
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
    """source → target → how much of what broke the source also breaks the target, among those that
    both get right.

    The sources are names of victims with what an attack made of each example there; each victim
    reads each text once. What broke a source breaks it again, so a rate below 1 of a victim by
    itself tells of rounding. Raises DataError where a true label is outside a victim's classes.
    """
    sets = {source: found_on(source, found) for source, found in texts.items()}
    wanted = [text for found in sets.values() if found for text in all_texts(found)]
    rows: dict[str, dict[str, Transfer]] = {source: {} for source in texts}
    for name, victim in victims.items():
        for known in filter(None, sets.values()):
            check_range(known.adversarial, victim.num_labels, known.name)
        answers = read_answers(victim, wanted, report)
        for source, found in sets.items():
            rows[source][name] = (
                _transfer(name, found, answers) if found else Transfer(0, Rate.of(0, 0), 0)
            )
    return rows


def _transfer(target: str, found: StaticSet, answers: Answers) -> Transfer:
    result = judge(target, found, answers)
    return Transfer(len(found), attack_rates(result.attacks)[1], result.errors)


def _examples(texts: Sequence[tuple[str, str | None]], labels: tuple[int, ...]) -> Examples:
    pairs = [pair for _, pair in texts if pair is not None]
    return Examples(tuple(text for text, _ in texts), tuple(pairs) if pairs else None, labels)

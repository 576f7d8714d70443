"""Attack rows of a data set on one or more victims and keep every example with its texts in the user's cache.

A run that was stopped goes on at the next example, because what is kept is found again by everything that decides it.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

from engine.attacks.attempt import Budget, Outcome
from engine.attacks.recipes import attack_identity
from engine.attacks.resources import find_resources
from engine.attacks.run import Attackers, each_ended
from engine.attacks.texts import AttackText, AttackTexts
from engine.attacks.victim_service import Item, VictimService
from engine.data import Examples
from engine.models.victim import Victim
from engine.progress import Reporter, silent
from engine.store import Store, key_of


@dataclass(frozen=True, slots=True)
class Side:
    """A victim in a comparison."""

    victim: Victim
    key: str  # SHA-256 of what decides its weights


def attack_kept(
    sides: Mapping[str, Side], name: str, examples: Examples, rows: Sequence[int], seed: int, store: Store,
    report: Reporter = silent, resources: str | None = None, budget: Budget | None = None,
) -> dict[str, tuple[AttackText, ...]]:  # fmt: skip
    """By side, the attacked rows with their texts, in the order of `rows`. All sides are attacked in lock-step.

    Raises SettingError for an unknown attack, ResourceError for what it lacks, StoreError where the cache cannot be written.
    """
    budget = budget or Budget()
    attackers = Attackers({side: found.victim for side, found in sides.items()}, name, seed, resources, budget)
    identity = {"attack": attack_identity(name, find_resources(resources)), "examples": examples.fingerprint(), "seed": seed,
                "budget": asdict(budget)}  # fmt: skip
    kept = {side: AttackTexts(store, key_of({**identity, "victim": found.key, "max_tokens": found.victim.max_tokens}))
            for side, found in sides.items()}  # fmt: skip
    done = {side: {text.record.example: text for text in texts.kept()} for side, texts in kept.items()}
    services = {side: VictimService(found.victim) for side, found in sides.items()}
    with closing(each_ended(attackers, examples, rows, done, report)) as ended:
        for side, outcome in ended:
            text = with_texts(outcome, examples, services[side])
            kept[side].keep(text)
            done[side][text.record.example] = text
    return {side: tuple(found[row] for row in rows) for side, found in done.items()}


def with_texts(outcome: Outcome, examples: Examples, service: VictimService) -> AttackText:
    """An outcome with its example's label and pair, and the probability of the true label for the perturbed text."""
    record, row = outcome.record, outcome.record.example
    truth, pair = examples.labels[row], examples.pairs[row] if examples.pairs else None
    last = record.truth_before
    if (outcome.perturbed, outcome.perturbed_pair) != (outcome.original, pair):
        item: Item = outcome.perturbed if pair is None else (outcome.perturbed, outcome.perturbed_pair or "")
        last = round(float(service.answer([item])[0][truth]), 6)
    before, after = (None if label < 0 else label for label in (outcome.label_before, outcome.label_after))
    return AttackText(record, truth, outcome.original, outcome.perturbed, before, after, last, pair, outcome.perturbed_pair)

"""What would bias a comparison of victims, and is not here: states and caches that outlive an
example, lost signal.

That neither order, company, batch nor the process's random state decides an outcome is tested with
the runs; budgets and errors, which are never dropped, as well; dropout in gradients with HotFlip.
"""

from pathlib import Path

import pytest
import torch

from prunescope.engine.attacks.attempt import AttemptStep, Example, Outcome
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.run import Attacker, Attackers, attack_many
from prunescope.engine.attacks.textattack_import import textattack
from prunescope.engine.data import Examples
from prunescope.engine.models.victim import Victim, load_victim

TEXT = "a very good film of the slow cast"
OTHER = "the quiet plot and a sad actor"


@pytest.fixture
def victim(model_folder: Path) -> Victim:
    textattack(find_resources(None))
    return load_victim(str(model_folder), "cpu")


def said(victim: Victim, text: str) -> int:
    return int(victim.read([text])[0].argmax())


def classifier(victim: Victim) -> torch.nn.Linear:
    found: torch.nn.Linear = victim.model.classifier
    return found


def test_nothing_said_before_the_weights_changed_is_believed(victim: Victim):
    """TextAttack keeps a model's answers after a skipped example, by text alone."""
    attacker, label = Attacker(victim, "deepwordbug", 0), said(victim, TEXT)
    assert attacker.run(TEXT, None, 1 - label).record.outcome == "skipped"
    with torch.no_grad():
        classifier(victim).weight.neg_()
        classifier(victim).bias.neg_()
    assert said(victim, TEXT) == 1 - label
    assert attacker.run(TEXT, None, 1 - label).record.outcome != "skipped"


def test_attacks_of_two_people_do_not_mix(victim: Victim):
    """TextAttack keeps the label and the count of queries on the attack."""
    attackers = Attackers({"dense": victim}, "deepwordbug", 0)
    examples = [Example(text, None, said(victim, text)) for text in (TEXT, OTHER)]
    alone = [list(attackers.watch(example)) for example in examples]
    mixed: list[list[tuple[str, AttemptStep | Outcome]]] = [[], []]
    runs = [attackers.watch(example) for example in examples]
    while any(len(found) < len(whole) for found, whole in zip(mixed, alone, strict=True)):
        for run, found, whole in zip(runs, mixed, alone, strict=True):
            if len(found) < len(whole):
                found.append(next(run))
    assert mixed == alone


def test_victims_are_attacked_on_the_same_examples_skipped_ones_included(victim: Victim):
    """TextAttack can put other examples in the place of those that are skipped."""
    worse = victim.copy()
    with torch.no_grad():
        classifier(worse).weight.neg_()
        classifier(worse).bias.neg_()
    examples = Examples((TEXT, OTHER), None, (said(victim, TEXT), 1 - said(victim, OTHER)))
    found = attack_many(
        Attackers({"dense": victim, "worse": worse}, "deepwordbug", 0), examples, [1, 0]
    )
    assert [[record.example for record in records] for records in found.values()] == [
        [1, 0],
        [1, 0],
    ]
    assert [[record.outcome == "skipped" for record in records] for records in found.values()] == [
        [True, False],
        [False, True],
    ]


def test_a_victim_that_is_all_too_sure_still_ranks_words(victim: Victim):
    """In single precision p(true) = 1 for every candidate, and none is better than another."""
    logits = victim.read([TEXT])[0][0]
    factor = 25.0 / float(
        (logits[0] - logits[1]).abs()
    )  # far beyond single precision's 17, within double's 36
    with torch.no_grad():
        classifier(victim).weight.mul_(factor)
        classifier(victim).bias.mul_(factor)
    label = said(victim, TEXT)
    assert float(victim.read([TEXT])[0].softmax(dim=1)[0, label]) == 1.0
    steps = [
        step
        for _, step in Attackers({"dense": victim}, "deepwordbug", 0).watch(
            Example(TEXT, None, label)
        )
    ]
    (ranked,) = [step for step in steps if isinstance(step, AttemptStep) and step.kind == "rank"]
    assert len({gain for _, gain in ranked.words}) == len(ranked.words) == 4


def test_a_victim_in_half_precision_is_attacked(victim: Victim):
    """TextAttack refuses scores that add up to 1 ± 1e-6 only."""
    victim.model.to(torch.bfloat16)
    record = Attacker(victim, "deepwordbug", 0).run(TEXT, None, said(victim, TEXT)).record
    assert record.outcome in ("broken", "held") and record.queries > 1

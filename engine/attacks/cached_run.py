"""Attack rows of a data set on one or more victims and keep every example in the user's cache.

A run that was stopped goes on at the next example, because what is kept is found again by
everything that decides it. What a study measured is not attacked again either: its records are in
the store, and the texts it found are kept here too. Where they are not, as with the bundled
studies, only the examples that it broke are attacked once more, for their texts.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from prunescope.engine.attacks.attempt import Budget, Example, Outcome
from prunescope.engine.attacks.metrics import AttackSummary, attack_summary, check_attacked
from prunescope.engine.attacks.recipes import attack_identity
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.run import Attackers, each_ended
from prunescope.engine.attacks.texts import AttackText, AttackTexts
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.data import Examples
from prunescope.engine.export.pruned_models import victim_key
from prunescope.engine.formatting import pluralize
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import AttackRecord
from prunescope.engine.store import Store, key_of


@dataclass(frozen=True, slots=True)
class Side:
    """A victim in a comparison."""

    victim: Victim
    key: str  # SHA-256 of what decides its weights: a fingerprint, or `victim_key`


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything beside the victim that decides what an attack makes of an example."""

    attack: str
    examples: Examples
    seed: int
    resources: str | None = None
    budget: Budget = field(default_factory=Budget)

    def attack_identity(self) -> dict[str, str]:
        """Raises SettingError or ResourceError, see `recipes.attack_identity`."""
        return attack_identity(self.attack, find_resources(self.resources))

    def texts(self, store: Store, side: Side) -> AttackTexts:
        """Where the attacked examples of a side are kept. Raises StoreError for the bundled store."""
        return AttackTexts(
            store,
            key_of(
                {
                    "attack": self.attack_identity(),
                    "examples": self.examples.fingerprint(),
                    "seed": self.seed,
                    "budget": asdict(self.budget),
                    "victim": side.key,
                    "max_tokens": side.victim.max_tokens,
                }
            ),
        )

    def measured(self, store: Store, side: Side) -> dict[int, AttackRecord]:
        """By row, what studies measured of the same victim on the same terms, failed attacks left
        out.
        """
        budget = {} if self.budget == Budget() else {"budget": asdict(self.budget)}
        same = {
            "evaluation": self.examples.fingerprint(),
            "seed": self.seed,
            "max_tokens": side.victim.max_tokens,
        }
        attack, records = {**self.attack_identity(), **budget}, dict[int, AttackRecord]()
        for study in store.studies():
            known = study.identity
            if (
                any(known.get(name) != value for name, value in same.items())
                or _without_rows(known.get("attack")) != attack
            ):
                continue
            for sparsity, level in _levels(store, study.key):
                if side.key == (known["victim"] if sparsity == 0 else victim_key(known, sparsity)):
                    for record in level:
                        if record.outcome != "error":
                            records.setdefault(record.example, record)
        return records


def _without_rows(attack: dict[str, Any] | None) -> dict[str, Any] | None:
    return attack and {name: value for name, value in attack.items() if name != "examples"}


def _levels(store: Store, key: str) -> Iterator[tuple[float, tuple[AttackRecord, ...]]]:
    study = store.study(key)
    for level in study.levels if study is not None else ():
        yield level.sparsity, level.attacks


def attack_kept(
    sides: Mapping[str, Side],
    name: str,
    examples: Examples,
    rows: Sequence[int],
    seed: int,
    store: Store,
    report: Progress = SILENT,
    resources: str | None = None,
    budget: Budget | None = None,
    say: Callable[[str], None] = lambda notice: None,
) -> dict[str, tuple[AttackText, ...]]:
    """By side, the attacked rows with their texts, in the order of `rows`. All sides are attacked
    in lock-step.

    Rows that the store knows are not attacked again, but those that a study broke and whose texts
    are missing. Where one of these comes out otherwise, as it may on another machine, the victim
    here is not quite the study's: then all of its rows are attacked anew, since a mixture of both
    would be neither's, and `say` hears of it. Raises SettingError for an unknown attack,
    ResourceError for what it lacks, StoreError where the cache cannot be written, DataError where
    no row could be attacked.
    """
    terms = Terms(name, examples, seed, resources, budget or Budget())
    attackers = Attackers(
        {side: found.victim for side, found in sides.items()}, name, seed, resources, terms.budget
    )
    kept = {side: terms.texts(store, found) for side, found in sides.items()}
    done = {
        side: {text.record.example: text for text in texts.kept() if text.record.outcome != "error"}
        for side, texts in kept.items()
    }
    measured = {side: terms.measured(store, found) for side, found in sides.items()}
    waiting: dict[
        str, list[AttackText]
    ] = {}  # not broken in a study: taken if its broken rows come out as they did
    for side, found in sides.items():
        missing = [
            measured[side][row] for row in rows if row in measured[side] and row not in done[side]
        ]
        if attackers.leaves_unbroken_texts:
            waiting[side] = unbroken_texts(missing, examples, found.victim)

    def take(side: str, text: AttackText) -> None:
        kept[side].keep(text)
        done[side][text.record.example] = text

    def apart(side: str) -> int:
        """How many rows came out otherwise here than in a study, now or in a run before that was
        cut short.
        """
        here = ((row, text.record.outcome) for row, text in done[side].items())
        return sum(
            row in measured[side] and measured[side][row].outcome != outcome
            for row, outcome in here
        )

    def attack(which: Sequence[int], known: Mapping[str, Container[int]]) -> None:
        with closing(each_ended(attackers, examples, which, known, report)) as ended:
            for side, outcome in ended:
                before = measured[side].get(outcome.record.example)
                if before is not None and before.outcome == outcome.record.outcome:
                    outcome = replace(outcome, record=before)
                take(side, with_texts(outcome, examples))

    spared = {side: {text.record.example for text in waiting.get(side, ())} for side in sides}
    first = [
        row
        for row in rows
        if any(
            row in measured[side] and row not in done[side] and row not in spared[side]
            for side in sides
        )
    ]
    if first:
        attack(first, {side: {*done[side], *spared[side]} for side in sides})
    for side, unbroken in waiting.items():
        if not apart(side):
            for text in unbroken:
                take(side, text)
    attack(rows, done)
    for side in sides:
        if number := apart(side):
            say(
                f"{side}: {pluralize(number, 'attacked example')} came out otherwise on this machine "
                "than in "
                "the study, so all are attacked anew; what came out here counts."
            )
    records = {side: tuple(found[row] for row in rows) for side, found in done.items()}
    for texts in records.values():
        check_attacked([text.record for text in texts])
    return records


def with_texts(outcome: Outcome, examples: Examples) -> AttackText:
    """An outcome with its example's label and pair."""
    row = outcome.record.example
    before, after = (
        None if label < 0 else label for label in (outcome.label_before, outcome.label_after)
    )
    return AttackText(
        outcome.record,
        examples.labels[row],
        outcome.original,
        outcome.perturbed,
        before,
        after,
        outcome.truth_perturbed,
        examples.pairs[row] if examples.pairs else None,
        outcome.perturbed_pair,
    )


def summary_of(texts: Sequence[AttackText]) -> AttackSummary:
    """The summary of attacked examples; Acc counts every answer, also where the attack failed."""
    records = [text.record for text in texts]
    failed = sum(
        text.record.outcome == "error" and text.label_before == text.truth for text in texts
    )
    return attack_summary(records, attack_summary(records).asr.n + failed)


def unbroken_texts(
    records: Sequence[AttackRecord], examples: Examples, victim: Victim
) -> list[AttackText]:
    """The texts of those records that need no attack for them: what was not broken is as it was."""
    whole = [
        record
        for record in records
        if record.outcome != "broken" and record.truth_before is not None
    ]
    wrong = [record.example for record in whole if record.outcome == "skipped"]
    said = dict(zip(wrong, _said(wrong, examples, victim), strict=True))
    texts = []
    for record in whole:
        example = Example.of(examples, record.example)
        label = said.get(record.example, example.label)
        texts.append(
            AttackText(
                record,
                example.label,
                example.text,
                example.text,
                label,
                label,
                record.truth_before,
                example.pair,
                example.pair,
            )
        )
    return texts


def _said(rows: Sequence[int], examples: Examples, victim: Victim) -> list[int]:
    """What a victim says of rows that it gets wrong; of two classes that is the other one."""
    if victim.num_labels == 2 or not rows:
        return [1 - examples.labels[row] for row in rows]
    items = [Example.of(examples, row).item for row in rows]
    return [int(answer.argmax()) for answer in VictimService(victim).answer(items)]

"""Attack examples of a data set on one or more victims, and cache every attacked example.

A run that was stopped resumes at the next example, because the cache's key has everything that
decides an outcome. Outcomes that a study measured are used too: its records are in the store, and
its adversarial texts in the cache. Bundled studies have no texts, so the examples on which their
attacks succeeded are attacked once more.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from prunescope.engine.attacks.attempt import Budget, Example, Outcome
from prunescope.engine.attacks.metrics import AttackSummary, attack_summary, check_attacked
from prunescope.engine.attacks.run import Attackers, outcomes_as_they_end
from prunescope.engine.attacks.terms import AttackTerms, KeyedVictim
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.data import Examples
from prunescope.engine.formatting import pluralize
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import AttackRecord
from prunescope.engine.store import Store


def attack_cached(
    targets: Mapping[str, KeyedVictim],
    attack: str,
    examples: Examples,
    rows: Sequence[int],
    seed: int,
    store: Store,
    report: Progress = SILENT,
    resources: str | None = None,
    budget: Budget | None = None,
    say: Callable[[str], None] = lambda notice: None,
) -> dict[str, tuple[AttackText, ...]]:
    """The attacked examples with their texts, by victim, in the order of `rows`.

    All victims are attacked in lock-step. Examples in the store are not attacked again, except
    successes of a study whose texts are missing. Where one of these has another outcome here, as on
    another machine, the victim is not exactly the study's. Then all its examples are attacked anew,
    since a mixture would describe neither victim, and `say` is called with a notice. Raises
    SettingError for an unknown attack, ResourceError for a missing resource, StoreError where the
    cache cannot be written, DataError where no example could be attacked.
    """
    terms = AttackTerms(attack, examples, seed, resources, budget or Budget())
    victims = {name: target.victim for name, target in targets.items()}
    attackers = Attackers(victims, attack, seed, resources, terms.budget)
    run = _CachedRun(attackers, terms, targets, store)
    run.attack_all(rows, report)
    for name in targets:
        if number := run.differing(name):
            say(
                f"{name}: {pluralize(number, 'attacked example')} came out otherwise on this "
                "machine than in the study, so all are attacked anew; what came out here counts."
            )
    texts = {name: tuple(by_row[row] for row in rows) for name, by_row in run.done.items()}
    for victim_texts in texts.values():
        check_attacked([text.record for text in victim_texts])
    return texts


class _CachedRun:
    """The attacks of one call: what is done, what studies measured, and what is left."""

    def __init__(
        self,
        attackers: Attackers,
        terms: AttackTerms,
        targets: Mapping[str, KeyedVictim],
        store: Store,
    ) -> None:
        self._attackers, self._terms, self._targets = attackers, terms, targets
        self._files = {name: terms.texts(store, target) for name, target in targets.items()}
        self.done = {
            name: {
                text.record.example: text
                for text in file.stored()
                if text.record.outcome != "error"
            }
            for name, file in self._files.items()
        }
        self._measured = {name: terms.measured(store, target) for name, target in targets.items()}

    def attack_all(self, rows: Sequence[int], report: Progress) -> None:
        """Attack the study's successes first, then the examples that remain."""
        waiting = {name: self._need_no_attack(name, rows) for name in self._targets}
        spared = {name: {text.record.example for text in texts} for name, texts in waiting.items()}
        broken = [
            row
            for row in rows
            if any(
                row in self._measured[name]
                and row not in self.done[name]
                and row not in spared[name]
                for name in self._targets
            )
        ]
        if broken:
            skip = {name: {*self.done[name], *spared[name]} for name in self._targets}
            self._attack(broken, skip, report)
        for name, texts in waiting.items():
            if not self.differing(name):
                for text in texts:
                    self._take(name, text)
        self._attack(rows, self.done, report)

    def differing(self, name: str) -> int:
        """How many examples have another outcome here than in a study.

        Examples of an earlier run that was stopped count too.
        """
        measured = self._measured[name]
        return sum(
            row in measured and measured[row].outcome != text.record.outcome
            for row, text in self.done[name].items()
        )

    def _need_no_attack(self, name: str, rows: Sequence[int]) -> list[AttackText]:
        """The study's other examples, which are used if its successes come out the same here."""
        if not self._attackers.keeps_withstood_texts:
            return []
        measured, done = self._measured[name], self.done[name]
        missing = [measured[row] for row in rows if row in measured and row not in done]
        return texts_without_attack(missing, self._terms.examples, self._targets[name].victim)

    def _take(self, name: str, text: AttackText) -> None:
        self._files[name].keep(text)
        self.done[name][text.record.example] = text

    def _attack(
        self, rows: Sequence[int], done: Mapping[str, Container[int]], report: Progress
    ) -> None:
        examples = self._terms.examples
        outcomes = outcomes_as_they_end(self._attackers, examples, rows, done, report)
        with closing(outcomes):
            for name, outcome in outcomes:
                before = self._measured[name].get(outcome.record.example)
                if before is not None and before.outcome == outcome.record.outcome:
                    outcome = replace(outcome, record=before)
                self._take(name, attacked_text(outcome, examples))


def attacked_text(outcome: Outcome, examples: Examples) -> AttackText:
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


def texts_without_attack(
    records: Sequence[AttackRecord], examples: Examples, victim: Victim
) -> list[AttackText]:
    """The texts of records without a success: the attack left them unchanged."""
    unchanged = [
        record
        for record in records
        if record.outcome != "broken" and record.truth_before is not None
    ]
    wrong = [record.example for record in unchanged if record.outcome == "skipped"]
    wrong_labels = dict(zip(wrong, _wrong_labels(wrong, examples, victim), strict=True))
    texts = []
    for record in unchanged:
        example = Example.of(examples, record.example)
        label = wrong_labels.get(record.example, example.label)
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


def _wrong_labels(rows: Sequence[int], examples: Examples, victim: Victim) -> list[int]:
    """The predicted labels of misclassified examples; of two classes, the wrong one."""
    if victim.num_labels == 2 or not rows:
        return [1 - examples.labels[row] for row in rows]
    items = [Example.of(examples, row).item for row in rows]
    return [int(answer.argmax()) for answer in VictimService(victim).answer(items)]

"""Attack examples: one text, a set on one victim, or a set on several victims at once, all in
lock-step.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from prunescope.engine.attacks.attempt import (
    Attempt,
    AttemptStep,
    Budget,
    Example,
    Outcome,
    VictimModel,
    Watcher,
)
from prunescope.engine.attacks.candidates import SeededTransformation, SharedCandidates
from prunescope.engine.attacks.lockstep import AttackTask, LockStep
from prunescope.engine.attacks.metrics import check_attacked
from prunescope.engine.attacks.recipes import check_ready, recipe_named
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.textattack_import import textattack
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.data import Examples
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import AttackRecord

IN_FLIGHT = {"cpu": 32, "cuda": 256}  # examples; enough for full batches, few enough for memory
Keep = Callable[[str, Outcome], None]
Done = Mapping[str, Sequence[AttackRecord]]


class Attackers:
    """One recipe on several victims, which are offered the same candidates; by name of the victim.

    Not for use by two threads at once. Raises SettingError for an unknown recipe, and ResourceError
    or ModelError for what it needs and is missing or damaged.
    """

    def __init__(
        self,
        victims: Mapping[str, Victim],
        attack: str,
        seed: int,
        resources: str | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._recipe, sources = recipe_named(attack), find_resources(resources)
        check_ready(attack, resources)
        package = textattack(sources)
        self._seed, self._budget = seed, budget or Budget()
        self._services = {name: VictimService(victim) for name, victim in victims.items()}
        self._parts: dict[str, Any] = {}
        for name, service in self._services.items():
            if self._recipe.reads_victim or not self._parts:
                parts = self._recipe.build(package, VictimModel(service, 0), sources)
                parts.transformation = SeededTransformation(parts.transformation, seed)
            self._parts[name] = parts

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the victims."""
        return tuple(self._services)

    @property
    def keeps_withstood_texts(self) -> bool:
        """Whether an example that withstands the attack keeps its text.

        A goal without an end, such as input reduction, changes it all the same.
        """
        return not any(parts.goal_function.maximizable for parts in self._parts.values())

    def in_flight(self) -> int:
        """How many examples are attacked at once by default."""
        return min(
            IN_FLIGHT.get(service.victim.device.type, 32) for service in self._services.values()
        )

    def tasks(
        self,
        example: Example,
        names: Sequence[str],
        watch: Callable[[str, AttemptStep], None] | None = None,
    ) -> Iterator[AttackTask[tuple[str, Outcome]]]:
        """The attacks on one example, one a victim."""
        shared = SharedCandidates()
        digest = hashlib.sha256(f"{self._seed}|{example.item!r}".encode()).digest()
        for name in names:
            watcher: Watcher | None = None if watch is None else partial(watch, name)
            candidates = SharedCandidates() if self._recipe.reads_victim else shared
            attempt = Attempt(
                self._parts[name], self._services[name], example, candidates, self._budget, watcher
            )
            yield AttackTask(
                example.row,
                partial(_named_outcome, name, attempt),
                int.from_bytes(digest[:8], "big"),
                self._budget.seconds,
            )

    def run(
        self,
        work: Iterable[tuple[Example, Sequence[str]]],
        tick: Callable[[], None],
        in_flight: int | None = None,
        watch: Callable[[str, AttemptStep], None] | None = None,
    ) -> Generator[list[tuple[str, Outcome]]]:
        """Attack examples, each on the victims named with it, and yield outcomes turn by turn.

        Closing the iterator, or an error raised by `tick`, ends the attacks that are on their way.
        """
        tasks = (task for example, names in work for task in self.tasks(example, names, watch))
        turns = LockStep(tasks, (in_flight or self.in_flight()) * len(self._services), tick).run()
        with closing(turns):
            for ended in turns:
                yield [result for _, result in ended]

    def watch(
        self, example: Example, tick: Callable[[], None] = lambda: None
    ) -> Generator[tuple[str, AttemptStep | Outcome]]:
        """Attack one example on all victims and yield every step as it happens.

        The last item of a victim is its outcome.
        """
        steps: deque[tuple[str, AttemptStep | Outcome]] = deque()
        turns = self.run(
            [(example, self.names)], tick, watch=lambda name, step: steps.append((name, step))
        )
        with closing(turns):
            for ended in turns:
                while steps:
                    yield steps.popleft()
                yield from ended


def _named_outcome(name: str, attempt: Attempt) -> tuple[str, Outcome]:
    return name, attempt.run()


class Attacker:
    """One attack recipe on one victim: `Attackers` with a single victim."""

    def __init__(
        self,
        victim: Victim,
        attack: str,
        seed: int,
        resources: str | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.all = Attackers({"victim": victim}, attack, seed, resources, budget)

    def run(
        self,
        text: str,
        pair: str | None,
        label: int,
        example: int = -1,
        report: Progress = SILENT,
        watch: Watcher = lambda step: None,
    ) -> Outcome:
        """Attack one example whose true label is `label`; the global random state is restored."""
        outcome: Outcome | None = None
        target = Example(text, pair, label, example)
        for _, event in self.all.watch(target, lambda: report("attack", 0, 1)):
            if isinstance(event, Outcome):
                outcome = event
            else:
                watch(event)
        assert outcome is not None
        return outcome


def outcomes_as_they_end(
    attackers: Attackers,
    examples: Examples,
    rows: Sequence[int],
    done: Mapping[str, Container[int]],
    report: Progress = SILENT,
    in_flight: int | None = None,
) -> Generator[tuple[str, Outcome]]:
    """Attack the rows on every victim for which they are not done: (name, outcome) as each ends.

    The order of the outcomes is not fixed.
    """
    due = {
        row: names
        for row in dict.fromkeys(rows)
        if (names := [name for name in attackers.names if row not in done[name]])
    }
    total, left = len(set(rows)) * len(attackers.names), sum(map(len, due.values()))

    def tick() -> None:
        report("attack", total - left, total)

    tick()
    work = ((Example.of(examples, row), names) for row, names in due.items())
    with closing(attackers.run(work, tick, in_flight)) as turns:
        for ended in turns:
            for named_outcome in ended:
                yield named_outcome
                left -= 1
            if ended:
                tick()


def attack_many(
    attackers: Attackers,
    examples: Examples,
    rows: Sequence[int],
    report: Progress = SILENT,
    done: Done | None = None,
    keep: Keep = lambda name, outcome: None,
    in_flight: int | None = None,
) -> dict[str, tuple[AttackRecord, ...]]:
    """Attack the given rows of the evaluation set on every victim at once.

    Returns, by victim, the records in the order of `rows`. `done` are not redone. `keep` gets each
    new outcome as soon as its attack ends, in no fixed order; what a record says depends on its
    example, the victim and the seed alone, so a run that was cut short ends like a whole one.
    Raises DataError where no example of a victim could be attacked.
    """
    by_row = {
        name: {record.example: record for record in (done or {}).get(name, ())}
        for name in attackers.names
    }
    outcomes = outcomes_as_they_end(attackers, examples, rows, by_row, report, in_flight)
    with closing(outcomes):
        for name, outcome in outcomes:
            by_row[name][outcome.record.example] = outcome.record
            keep(name, outcome)
    records = {name: tuple(by_row[name][row] for row in rows) for name in attackers.names}
    for victim_records in records.values():
        check_attacked(victim_records)
    return records


def attack_examples(
    attacker: Attacker,
    examples: Examples,
    rows: Sequence[int],
    report: Progress = SILENT,
    done: Sequence[AttackRecord] = (),
    keep: Callable[[Outcome], None] = lambda outcome: None,
    in_flight: int | None = None,
) -> tuple[AttackRecord, ...]:
    """`attack_many` on one victim."""
    (name,) = attacker.all.names
    records = attack_many(
        attacker.all,
        examples,
        rows,
        report,
        {name: done},
        lambda _, outcome: keep(outcome),
        in_flight,
    )
    return records[name]

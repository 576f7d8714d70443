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
    Budget,
    Example,
    Model,
    Outcome,
    Step,
    Watcher,
)
from prunescope.engine.attacks.candidates import Seeded, Shared
from prunescope.engine.attacks.lockstep import Job, LockStep
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
    """One recipe on several victims, which are offered the same candidates. Not for use by two
    threads at once.

    Raises SettingError for an unknown recipe, and ResourceError or ModelError for what it needs and
    is missing or damaged.
    """

    def __init__(
        self,
        victims: Mapping[str, Victim],
        name: str,
        seed: int,
        resources: str | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._recipe, found = recipe_named(name), find_resources(resources)
        check_ready(name, resources)
        package = textattack(found)
        self._seed, self._budget = seed, budget or Budget()
        self._services = {side: VictimService(victim) for side, victim in victims.items()}
        self._parts: dict[str, Any] = {}
        for side, service in self._services.items():
            if self._recipe.reads_victim or not self._parts:
                parts = self._recipe.build(package, Model(service, 0), found)
                parts.transformation = Seeded(parts.transformation, seed)
            self._parts[side] = parts

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(self._services)

    @property
    def leaves_unbroken_texts(self) -> bool:
        """Whether an example that is not broken keeps its text; a goal without an end, such as
        input reduction, changes it.
        """
        return not any(parts.goal_function.maximizable for parts in self._parts.values())

    def in_flight(self) -> int:
        """How many examples are attacked at once unless told."""
        return min(
            IN_FLIGHT.get(service.victim.device.type, 32) for service in self._services.values()
        )

    def jobs(
        self,
        example: Example,
        sides: Sequence[str],
        watch: Callable[[str, Step], None] | None = None,
    ) -> Iterator[Job[tuple[str, Outcome]]]:
        """The attacks on one example, one a side."""
        shared = Shared()
        digest = hashlib.sha256(f"{self._seed}|{example.item!r}".encode()).digest()
        for side in sides:
            watcher: Watcher | None = None if watch is None else partial(watch, side)
            own = Shared() if self._recipe.reads_victim else shared
            attempt = Attempt(
                self._parts[side], self._services[side], example, own, self._budget, watcher
            )
            yield Job(
                example.row,
                partial(_on, side, attempt),
                int.from_bytes(digest[:8], "big"),
                self._budget.seconds,
            )

    def run(
        self,
        work: Iterable[tuple[Example, Sequence[str]]],
        tick: Callable[[], None],
        in_flight: int | None = None,
        watch: Callable[[str, Step], None] | None = None,
    ) -> Generator[list[tuple[str, Outcome]]]:
        """Attack examples, each on the sides given with it; turn after turn, the outcomes of those
        that ended in it.

        Closing the iterator, or an error raised by `tick`, ends the attacks that are on their way.
        """
        jobs = (job for example, sides in work for job in self.jobs(example, sides, watch))
        steps = LockStep(jobs, (in_flight or self.in_flight()) * len(self._services), tick).run()
        with closing(steps):
            for ended in steps:
                yield [result for _, result in ended]

    def watch(
        self, example: Example, tick: Callable[[], None] = lambda: None
    ) -> Generator[tuple[str, Step | Outcome]]:
        """Attack one example on all sides and tell every step as it happens; the last of a side is
        its outcome.
        """
        seen: deque[tuple[str, Step | Outcome]] = deque()
        turns = self.run(
            [(example, self.sides)], tick, watch=lambda side, step: seen.append((side, step))
        )
        with closing(turns):
            for ended in turns:
                while seen:
                    yield seen.popleft()
                yield from ended


def _on(side: str, attempt: Attempt) -> tuple[str, Outcome]:
    return side, attempt.run()


class Attacker:
    """One attack recipe on one victim: `Attackers` with one side."""

    def __init__(
        self,
        victim: Victim,
        name: str,
        seed: int,
        resources: str | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.all = Attackers({"victim": victim}, name, seed, resources, budget)

    def run(
        self,
        text: str,
        pair: str | None,
        label: int,
        example: int = -1,
        report: Progress = SILENT,
        watch: Watcher = lambda step: None,
    ) -> Outcome:
        """Attack one example whose true label is `label`. The global random state is left as it
        was.
        """
        outcome: Outcome | None = None
        for _, found in self.all.watch(
            Example(text, pair, label, example), lambda: report("attack", 0, 1)
        ):
            if isinstance(found, Outcome):
                outcome = found
            else:
                watch(found)
        assert outcome is not None
        return outcome


def each_ended(
    attackers: Attackers,
    examples: Examples,
    rows: Sequence[int],
    done: Mapping[str, Container[int]],
    report: Progress = SILENT,
    in_flight: int | None = None,
) -> Generator[tuple[str, Outcome]]:
    """Attack the rows on every side that has not done them: (side, outcome) as each ends, in no
    certain order.
    """
    due = {
        row: sides
        for row in dict.fromkeys(rows)
        if (sides := [side for side in attackers.sides if row not in done[side]])
    }
    total, left = len(set(rows)) * len(attackers.sides), sum(map(len, due.values()))

    def tick() -> None:
        report("attack", total - left, total)

    tick()
    work = ((Example.of(examples, row), sides) for row, sides in due.items())
    with closing(attackers.run(work, tick, in_flight)) as turns:
        for ended in turns:
            for found in ended:
                yield found
                left -= 1
            if ended:
                tick()


def attack_many(
    attackers: Attackers,
    examples: Examples,
    rows: Sequence[int],
    report: Progress = SILENT,
    done: Done | None = None,
    keep: Keep = lambda side, outcome: None,
    in_flight: int | None = None,
) -> dict[str, tuple[AttackRecord, ...]]:
    """Attack the given rows of the evaluation set on every victim at once: by side, the records in
    the order of `rows`.

    `done` are not redone. `keep` gets each new outcome as soon as its attack ends, which is in no
    certain order; what a record says depends on its example, the victim and the seed alone, so a
    run that was cut short ends like a whole one. Raises DataError where no example of a side could
    be attacked.
    """
    found = {
        side: {record.example: record for record in (done or {}).get(side, ())}
        for side in attackers.sides
    }
    with closing(each_ended(attackers, examples, rows, found, report, in_flight)) as ended:
        for side, outcome in ended:
            found[side][outcome.record.example] = outcome.record
            keep(side, outcome)
    records = {side: tuple(found[side][row] for row in rows) for side in attackers.sides}
    for of_side in records.values():
        check_attacked(of_side)
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
    (side,) = attacker.all.sides
    found = attack_many(
        attacker.all,
        examples,
        rows,
        report,
        {side: done},
        lambda _, outcome: keep(outcome),
        in_flight,
    )
    return found[side]

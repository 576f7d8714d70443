"""Many attacks in lock-step: each runs until it asks for something, all questions are answered
together, all go on.

An attack is an ordinary function that calls `ask`; here it runs in a greenlet of its own. Every
turn the scheduler gathers what the attacks in attack wait for, drops duplicates, has each service
answer once, and resumes them in the order they came in. `random`, NumPy's and torch's (CPU)
generators belong to the attack: each begins at a state of its own and finds it again after every
switch, so a result does not depend on which other attacks run, on their order or number.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from prunescope.engine.attacks.services import Request, Service, Turn, cancel_checks
from prunescope.engine.errors import PruneScopeError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AttackTask(Generic[Result]):
    """One attack to run."""

    # the example; tasks of a group share the answers of services that are `cached`, and come one
    # after the other
    group: Hashable
    work: Callable[[], Result]
    seed: int  # of its random generators
    # limit on its own work and its share of the batches; OutOfTime is raised inside the attack
    seconds: float | None = None


class OutOfTime(Exception):
    """Raised inside an attack whose seconds have run out."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a service raised for one item."""

    error: Exception


class RandomState:
    """The state of the three global generators at the time of construction."""

    def __init__(self) -> None:
        self._state = random.getstate(), np.random.get_state(), torch.default_generator.get_state()

    def restore(self) -> None:
        """Set the generators back to that state."""
        random.setstate(self._state[0])
        np.random.set_state(self._state[1])
        torch.default_generator.set_state(self._state[2])


def seed_all(seed: int) -> None:
    """Seed `random`, NumPy's global generator and torch's CPU generator."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed % 2**63)


class _RunningAttack(Generic[Result]):
    """One attack that has been started or is about to be."""

    def __init__(self, task: AttackTask[Result]) -> None:
        self.task, self.turn = task, Turn(task.work)
        self.request: Request | None = None
        self.result: Result
        self._state: RandomState | None = None

    def resume(self, answers: Sequence[Any] | None) -> None:
        """Resume the attack with its answers until it asks again or ends."""
        self.turn.since = time.perf_counter()
        if self._state is None:
            seed_all(self.task.seed)
        else:
            self._state.restore()
        outcome = self._switch(answers)
        self._state = RandomState()
        self.turn.spent = self.turn.used()
        if self.turn.dead:
            self.result = outcome
        else:
            self.request = outcome

    def _switch(self, answers: Sequence[Any] | None) -> Any:
        if not self.turn:  # not started yet
            return self.turn.switch()
        if self.task.seconds is not None and self.turn.spent > self.task.seconds:
            return self.turn.throw(OutOfTime)
        failed = next((answer for answer in answers or () if isinstance(answer, _Failure)), None)
        return self.turn.switch(answers) if failed is None else self.turn.throw(failed.error)


class LockStep(Generic[Result]):
    """Runs tasks, at most `in_flight` at a time, taken from their iterable as others end."""

    def __init__(
        self, tasks: Iterable[AttackTask[Result]], in_flight: int, tick: Callable[[], None]
    ) -> None:
        self._tasks, self._in_flight, self._tick = iter(tasks), in_flight, tick
        self._running: deque[_RunningAttack[Result]] = deque()
        self._cached: dict[Hashable, dict[tuple[int, Hashable], Any]] = {}

    def run(self) -> Generator[list[tuple[AttackTask[Result], Result]]]:
        """Yield, turn by turn, the tasks that ended with their results, in order; often none.

        `tick` is called at least once a turn and may raise to cancel; whatever leaves this
        generator, by error, by cancel or by closing it, ends every attack and puts the generators
        of the process back.
        """
        try:
            while self._fill():
                yield self._turn()
        finally:
            self.close()

    def _turn(self) -> list[tuple[AttackTask[Result], Result]]:
        with cancel_checks(self._tick):
            self._tick()
            self._resume(self._answers())
        ended = [(attack.task, attack.result) for attack in self._running if attack.turn.dead]
        self._running = deque(attack for attack in self._running if not attack.turn.dead)
        alive = {attack.task.group for attack in self._running}
        self._cached = {group: answers for group, answers in self._cached.items() if group in alive}
        return ended

    def close(self) -> None:
        """End every attack that is still running."""
        before = RandomState()
        while self._running:
            attack = self._running.popleft()
            if attack.turn:
                attack.turn.throw()  # GreenletExit, which lets its `finally` blocks run
        before.restore()

    def _fill(self) -> bool:
        free = max(0, self._in_flight - len(self._running))
        self._running += map(_RunningAttack, islice(self._tasks, free))
        return bool(self._running)

    def _resume(self, answers: dict[tuple[int, Hashable], Any]) -> None:
        before = RandomState()
        try:
            for attack in self._running:
                request, attack.request = attack.request, None
                shared = self._cached.get(attack.task.group, {})
                attack.resume(
                    None
                    if request is None
                    else [
                        answers[key]
                        if (key := (id(request.service), item)) in answers
                        else shared[key]
                        for item in request.items
                    ]
                )
                self._tick()
        finally:
            before.restore()

    def _answers(self) -> dict[tuple[int, Hashable], Any]:
        """Every question of this turn answered once, by (service, item)."""
        services: dict[int, Service] = {}
        questions: dict[int, dict[Hashable, None]] = {}
        for attack in self._running:
            if (request := attack.request) is not None:
                services[id(request.service)] = request.service
                shared = self._cached.get(attack.task.group, {})
                fresh = (
                    item for item in request.items if (id(request.service), item) not in shared
                )
                questions.setdefault(id(request.service), {}).update(dict.fromkeys(fresh))
        answers: dict[tuple[int, Hashable], Any] = {}
        for service_id, items in questions.items():
            start = time.perf_counter()
            batch = _answered(services[service_id], list(items)) if items else []
            answers.update(
                ((service_id, item), answer) for item, answer in zip(items, batch, strict=True)
            )
            self._charge(service_id, (time.perf_counter() - start) / max(len(items), 1))
        self._cache(answers)
        return answers

    def _charge(self, number: int, each: float) -> None:
        for attack in self._running:
            if attack.request is not None and id(attack.request.service) == number:
                attack.turn.spent += each * len(set(attack.request.items))

    def _cache(self, answers: dict[tuple[int, Hashable], Any]) -> None:
        for attack in self._running:
            if attack.request is not None and attack.request.service.cached:
                keys = ((id(attack.request.service), item) for item in attack.request.items)
                self._cached.setdefault(attack.task.group, {}).update(
                    (key, answers[key]) for key in keys if key in answers
                )


def _answered(service: Service, items: list[Any]) -> list[Any]:
    """The answers of a service, and a `_Failure` for each item that makes it fail.

    A batch that fails is halved until such items are alone.
    """
    try:
        return list(service.answer(items))
    except PruneScopeError:  # cancelled, or the store is full: not about an item
        raise
    except Exception as error:  # becomes the item's answer, raised in each attack that asked for it
        if len(items) == 1:
            return [_Failure(error)]
        middle = len(items) // 2
        return _answered(service, items[:middle]) + _answered(service, items[middle:])

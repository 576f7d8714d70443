"""Many attacks in lock-step: each runs until it asks for something, all questions are answered
together, all go on.

An attack is an ordinary function that calls `ask`; here it runs in a greenlet of its own. Every
turn the scheduler gathers what the attacks in flight wait for, drops duplicates, has each service
answer once, and resumes them in the order they came in. `random`, NumPy's and torch's (CPU)
generators belong to the attack: each begins at a state of its own and finds it again after every
switch, so a result does not depend on which other attacks run, on their order or number.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from prunescope.engine.attacks.services import Request, Service, Turn, cancel_checks
from prunescope.engine.errors import PruneScopeError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AttackTask(Generic[Result]):
    """One attack: what to run, the example it belongs to, the seed of its generators, and its limit
    of seconds.
    """

    # answers of services that are `kept` are shared by the jobs of a group; they come one after the
    # other
    group: Hashable
    work: Callable[[], Result]
    seed: int
    seconds: float | None = (
        None  # own work and its share of the batches; OutOfTime is raised inside the attack
    )


class OutOfTime(Exception):
    """Raised inside an attack whose seconds have run out."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a service raised for one item."""

    error: Exception


class RandomState:
    """The state of the three global generators, taken when made."""

    def __init__(self) -> None:
        self._state = random.getstate(), np.random.get_state(), torch.default_generator.get_state()

    def restore(self) -> None:
        random.setstate(self._state[0])
        np.random.set_state(self._state[1])
        torch.default_generator.set_state(self._state[2])


def seed_all(seed: int) -> None:
    """Seed `random`, NumPy's global generator and torch's CPU generator."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed % 2**63)


class _Flight(Generic[Result]):
    """One attack on its way."""

    def __init__(self, job: AttackTask[Result]) -> None:
        self.job, self.turn = job, Turn(job.work)
        self.request: Request | None = None
        self.result: Result
        self._state: RandomState | None = None

    def go_on(self, answers: Sequence[Any] | None) -> None:
        """Resume the attack with its answers until it asks again or ends."""
        self.turn.since = time.perf_counter()
        if self._state is None:
            seed_all(self.job.seed)
        else:
            self._state.restore()
        found = self._switch(answers)
        self._state = RandomState()
        self.turn.spent = self.turn.used()
        if self.turn.dead:
            self.result = found
        else:
            self.request = found

    def _switch(self, answers: Sequence[Any] | None) -> Any:
        if not self.turn:  # not started yet
            return self.turn.switch()
        if self.job.seconds is not None and self.turn.spent > self.job.seconds:
            return self.turn.throw(OutOfTime)
        failed = next((answer for answer in answers or () if isinstance(answer, _Failure)), None)
        return self.turn.switch(answers) if failed is None else self.turn.throw(failed.error)


class LockStep(Generic[Result]):
    """Runs jobs, at most `in_flight` at a time; jobs are taken from their iterable only when there
    is room.
    """

    def __init__(
        self, jobs: Iterable[AttackTask[Result]], in_flight: int, tick: Callable[[], None]
    ) -> None:
        self._jobs, self._room, self._tick = iter(jobs), in_flight, tick
        self._flights: deque[_Flight[Result]] = deque()
        self._kept: dict[Hashable, dict[tuple[int, Hashable], Any]] = {}

    def run(self) -> Generator[list[tuple[AttackTask[Result], Result]]]:
        """Turn after turn, the jobs that ended in it with their results, in the order they came in;
        often none.

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
        ended = [(flight.job, flight.result) for flight in self._flights if flight.turn.dead]
        self._flights = deque(flight for flight in self._flights if not flight.turn.dead)
        alive = {flight.job.group for flight in self._flights}
        self._kept = {group: answers for group, answers in self._kept.items() if group in alive}
        return ended

    def close(self) -> None:
        """End every attack that is still on its way."""
        before = RandomState()
        while self._flights:
            flight = self._flights.popleft()
            if flight.turn:
                flight.turn.throw()  # GreenletExit, which lets its `finally` blocks run
        before.restore()

    def _fill(self) -> bool:
        while len(self._flights) < self._room and (job := next(self._jobs, None)) is not None:
            self._flights.append(_Flight(job))
        return bool(self._flights)

    def _resume(self, answers: dict[tuple[int, Hashable], Any]) -> None:
        before = RandomState()
        try:
            for flight in self._flights:
                request, flight.request = flight.request, None
                kept = self._kept.get(flight.job.group, {})
                flight.go_on(
                    None
                    if request is None
                    else [
                        answers[key]
                        if (key := (id(request.service), item)) in answers
                        else kept[key]
                        for item in request.items
                    ]
                )
                self._tick()
        finally:
            before.restore()

    def _answers(self) -> dict[tuple[int, Hashable], Any]:
        """Every question of this turn answered once, by (service, item)."""
        services: dict[int, Service] = {}
        wanted: dict[int, dict[Hashable, None]] = {}
        for flight in self._flights:
            if (request := flight.request) is not None:
                services[id(request.service)] = request.service
                kept = self._kept.get(flight.job.group, {})
                fresh = (item for item in request.items if (id(request.service), item) not in kept)
                wanted.setdefault(id(request.service), {}).update(dict.fromkeys(fresh))
        answers: dict[tuple[int, Hashable], Any] = {}
        for number, items in wanted.items():
            start = time.perf_counter()
            found = _answered(services[number], list(items)) if items else []
            answers.update(
                ((number, item), answer) for item, answer in zip(items, found, strict=True)
            )
            self._charge(number, (time.perf_counter() - start) / max(len(items), 1))
        self._keep(answers)
        return answers

    def _charge(self, number: int, each: float) -> None:
        for flight in self._flights:
            if flight.request is not None and id(flight.request.service) == number:
                flight.turn.spent += each * len(set(flight.request.items))

    def _keep(self, answers: dict[tuple[int, Hashable], Any]) -> None:
        for flight in self._flights:
            if flight.request is not None and flight.request.service.kept:
                keys = ((id(flight.request.service), item) for item in flight.request.items)
                self._kept.setdefault(flight.job.group, {}).update(
                    (key, answers[key]) for key in keys if key in answers
                )


def _answered(service: Service, items: list[Any]) -> list[Any]:
    """The answers of a service. Where it fails, the batch is halved until the items that make it
    fail are alone.
    """
    try:
        return list(service.answer(items))
    except PruneScopeError:  # cancelled, or the store is full: not about an item
        raise
    except (
        Exception
    ) as error:  # kept as the item's answer, and raised in each attack that asked for it
        if len(items) == 1:
            return [_Failure(error)]
        middle = len(items) // 2
        return _answered(service, items[:middle]) + _answered(service, items[middle:])

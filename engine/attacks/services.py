"""The models that an attack queries, as services: victims, and models behind its constraints.

An attack calls `ask` to query a model. Alone, the service answers at once. In lock-step the
attack's greenlet pauses there, the scheduler gathers the queries of all attacks, and each service
answers them as one batch.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

_here = threading.local()  # `tick` of the run in this thread, and `last`, when it was called


class NotAttackable(ValueError):
    """The example, or the victim's answer, is not one that an attack can work with."""


class Service(Protocol):
    """A model that many attacks ask; attacks that share one object are answered together."""

    name: str  # for progress and errors
    # whether an answer also serves the other victims of an example (encoders: yes, victims: no)
    cached: bool

    def answer(self, items: Sequence[Any]) -> Sequence[Any]:
        """One answer an item, in order. Items are hashable (a text, a tuple of texts) and no two
        are equal.

        An answer depends on its item alone, up to rounding: not on the rest of the batch, its order
        or its size.
        """


@dataclass(frozen=True, slots=True)
class Request:
    """What an attack waits for."""

    service: Service
    items: tuple[Hashable, ...]


class Turn(greenlet):  # type: ignore[misc]  # greenlet is untyped
    """The greenlet of one attack in lock-step.

    Its parent is the scheduler, to which it switches with a `Request`.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(work)
        # seconds of its own work and of its share of the batches, up to when it was last resumed
        self.spent = 0.0
        self.since = 0.0  # when that was

    def used(self) -> float:
        """Seconds spent by now; to be called by the attack itself."""
        return self.spent + time.perf_counter() - self.since


def current_turn() -> Turn | None:
    """The attack that runs here; None outside lock-step."""
    here = getcurrent()
    return here if isinstance(here, Turn) and here.parent is not None else None


def ask(service: Service, items: Sequence[Hashable]) -> list[Any]:
    """The answers of a service, one an item, in order; repeated items are allowed.

    Whatever the service raises is raised here; a cancelled attack is left with GreenletExit.
    Torch's modes (`no_grad`, `inference_mode`) belong to the thread and must not be open around a
    call.
    """
    questions = tuple(items)
    if not questions:
        return []
    if (current := current_turn()) is not None:
        return list(current.parent.switch(Request(service, questions)))
    distinct = tuple(dict.fromkeys(questions))
    answers = dict(zip(distinct, service.answer(distinct), strict=True))
    return [answers[item] for item in questions]


def check_cancel() -> None:
    """Call the run's `tick`, at most twenty times a second; it may raise InterruptedStudy.

    For services and other long work, between parts of less than half a second.
    """
    tick, now = getattr(_here, "tick", None), time.monotonic()
    if tick is not None and now - _here.last >= 0.05:
        _here.last = now
        tick()


@contextmanager
def cancel_checks(tick: Callable[[], None]) -> Iterator[None]:
    """Have `check_cancel` call `tick` in this thread, within the block."""
    before = getattr(_here, "tick", None)
    _here.tick, _here.last = tick, time.monotonic()
    try:
        yield
    finally:
        _here.tick = before


def yield_turn() -> None:
    """Let the other attacks in lock-step run until they ask again."""
    if (current := current_turn()) is not None:
        current.parent.switch(None)

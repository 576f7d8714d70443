"""What an attack asks for while it runs: victims and the models behind its constraints, each as a service.

An attack calls `ask` wherever it needs answers. Alone, the service answers at once. In lock-step the attack's greenlet
stops there, the scheduler gathers the questions of all attacks, and each service answers them as one batch.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from greenlet import getcurrent, greenlet


class Service(Protocol):
    """A model that many attacks ask. One object is one service: attacks that share it are answered together."""

    name: str  # for progress and errors
    kept: bool  # whether an answer is kept for the other victims of the same example (victims: no, encoders: yes)

    def answer(self, items: Sequence[Any]) -> Sequence[Any]:
        """One answer an item, in order. Items are hashable (a text, a tuple of texts) and no two are equal.

        An answer depends on its item alone, up to rounding: not on the rest of the batch, its order or its size.
        """


@dataclass(frozen=True, slots=True)
class Request:
    """What an attack waits for."""

    service: Service
    items: tuple[Hashable, ...]


class Turn(greenlet):
    """The greenlet of one attack in lock-step; its parent is the scheduler, which it switches to with a `Request`."""


def ask(service: Service, items: Sequence[Hashable]) -> list[Any]:
    """The answers of a service, one an item, in order; repeated items are allowed.

    Whatever the service raises is raised here. TaskletExit passes through an attack that is cancelled.
    """
    wanted = tuple(items)
    if not wanted:
        return []
    current = getcurrent()
    if isinstance(current, Turn) and current.parent is not None:
        return list(current.parent.switch(Request(service, wanted)))
    distinct = tuple(dict.fromkeys(wanted))
    answers = dict(zip(distinct, service.answer(distinct), strict=True))
    return [answers[item] for item in wanted]

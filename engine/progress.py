"""How long work tells what it is doing, and how it is stopped.

A `Reporter` is called as `report(stage, done, total)` at least a few times a second during long
work. It may raise `InterruptedStudy`: that is how work is cancelled, so every long loop in the
engine is also a cancellation point. A signal raises KeyboardInterrupt wherever it comes, except in
a block that is `unbroken`.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Reporter = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """A reporter that says nothing and never cancels."""


@contextmanager
def defer_signals() -> Iterator[None]:
    """A block that Ctrl-C and SIGTERM do not cut in two: one that comes meanwhile is answered after
    it, as it would have been.

    For changes that must be made together. Signals are answered in the main thread alone, so in
    another one nothing is held.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    answered = {number: signal.signal(number, hold) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, answer in answered.items():
            signal.signal(number, answer)
        for late in came[:1]:
            signal.raise_signal(late)


PARTS = 1000  # what a part of `within` counts


def within(report: Reporter, low: int, high: int, whole: int, prefix: str = "") -> Reporter:
    """A reporter for the part of some work that goes from `low` to `high` of `whole`; its stages
    begin with `prefix`.
    """

    def part(stage: str, done: int, total: int) -> None:
        report(
            prefix + stage,
            PARTS * low + PARTS * (high - low) * done // max(total, 1),
            PARTS * whole,
        )

    return part


class Pace:
    """Estimates the seconds left from the pace since it was first asked, so that what a resumed
    work had done before does not count; None until there is something to go by.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None  # (when, done)

    def seconds_left(self, done: int, total: int) -> float | None:
        now = self._clock()
        if self._first is None:
            self._first = (now, done)
        start, before = self._first
        if done <= before or now <= start:
            return None
        return (now - start) / (done - before) * (total - done)

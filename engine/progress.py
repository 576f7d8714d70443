"""How long work tells what it is doing, and how it is stopped.

A `Reporter` is called as `report(stage, done, total)` at least a few times a second during long work. It may raise
`InterruptedStudy`: that is how work is cancelled, so every long loop in the engine is also a cancellation point.
"""

import time
from collections.abc import Callable

Reporter = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """A reporter that says nothing and never cancels."""


class Pace:
    """Estimates the seconds left from the pace since the start; None until there is something to go by."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._first_done = 0

    def seconds_left(self, done: int, total: int) -> float | None:
        gone = self._clock() - self._start
        if done <= self._first_done or gone <= 0:
            return None
        return gone / (done - self._first_done) * (total - done)


def as_clock(seconds: float | None) -> str:
    """`75.2` → `1:15`; unknown → `?`."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

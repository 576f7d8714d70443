"""How long work reports what it is doing, and how it is stopped.

Every long function takes `report: Progress` and calls `report(stage, done, total)` at least a few
times a second. Whoever started the work gives a `Progress` with a listener; the listener may raise
`InterruptedStudy`, which is how work is cancelled, so every long loop is a cancellation point.

Work that consists of parts hands each part a `Progress` of its own:

    parts = report.parts({"prune": 6, "attack": 12})     # relative shares, one table a module
    prune(parts["prune"])
    for level, part in report.each(levels, label=str):   # equal shares
        measure(level, part)

A signal raises KeyboardInterrupt wherever it arrives, except in a block of `defer_signals`.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

Name = TypeVar("Name")
Item = TypeVar("Item")

WHOLE = 1_000_000  # the total that work in parts reports, whatever the parts count


@dataclass(frozen=True, slots=True)
class ProgressState:
    """How far some work is: its stage, `done` of `total`, and the estimated seconds left.

    `seconds_left` is None until enough was done to tell.
    """

    stage: str = ""
    done: int = 0
    total: int = 0
    seconds_left: float | None = None

    @property
    def share(self) -> float:
        """How much of `total` is done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def of_whole(self) -> bool:
        """Whether `share` is a share of the whole work, not of one stage with its own count."""
        return self.total == WHOLE


class TimeLeft:
    """Estimates the seconds left from the speed since the first report.

    What a resumed work had done before the first report does not count. Another `total`, or fewer
    done than at first, is other work: the estimate starts anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._total = self._last = 0
        self._first: tuple[float, int] | None = None  # (when, done)

    def seconds(self, done: int, total: int) -> float | None:
        """The seconds left; None until there is something to go by."""
        now = self._clock()
        if self._first is None or total != self._total or self._restarts(done):
            self._first, self._total = (now, done), total
        self._last = done
        start, before = self._first
        if done <= before or now <= start:
            return None
        return (now - start) / (done - before) * (total - done)

    def _restarts(self, done: int) -> bool:
        assert self._first is not None
        before = self._first[1]
        return done < before or done == before < self._last


class Progress:
    """What work reports to: `report(stage, done, total)`, parts of it, and events."""

    def __init__(
        self,
        listener: Callable[[ProgressState], None] | None = None,
        on_event: Callable[[object], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`listener` gets every report and may raise InterruptedStudy; `on_event` gets every event.

        Without either, reports and events go nowhere.
        """
        self._listener, self._on_event = listener, on_event
        self._time_left = TimeLeft(clock)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that `done` of `total` of a stage are done. Raises what the listener raises."""
        if self._listener is not None:
            left = self._time_left.seconds(done, total)
            self._listener(ProgressState(stage, done, total, left))

    def emit(self, event: object) -> None:
        """Report an event: a record of what became known; listeners go by its type."""
        if self._on_event is not None:
            self._on_event(event)

    def finish(self, stage: str = "done") -> None:
        """Report that the whole work is done."""
        self(stage, WHOLE, WHOLE)

    def part(self, low: float, high: float, prefix: str = "") -> "Progress":
        """The progress of what takes this work from `low` to `high`, in [0, 1].

        Its stages begin with `prefix`. With `low == high` it names stages and does not advance.
        """
        return _Part(self, low, high, prefix)

    def parts(self, shares: Mapping[Name, float]) -> dict[Name, "Progress"]:
        """By name, the progress of parts that follow one another; each takes its share."""
        return dict(self.each(list(shares), list(shares.values())))

    def each(
        self,
        items: Sequence[Item],
        shares: Sequence[float] | None = None,
        label: Callable[[Item], str] | None = None,
        number: bool = False,
    ) -> Iterator[tuple[Item, "Progress"]]:
        """Items with the progress of each; equal shares by default.

        Stages of an item begin with its `label` and a colon, or, with `number`, as in "2 of 5: ".
        """
        shares = [1.0] * len(items) if shares is None else shares
        whole, before = sum(shares) or 1.0, 0.0
        for place, (item, share) in enumerate(zip(items, shares, strict=True), start=1):
            name = f"{place} of {len(items)}" if number else label(item) if label else ""
            prefix = f"{name}: " if name else ""
            yield item, self.part(before / whole, (before + share) / whole, prefix)
            before += share


class _Part(Progress):
    """A part of other work; everything goes to the whole."""

    def __init__(self, parent: Progress, low: float, high: float, prefix: str) -> None:
        self._parent, self._low, self._high, self._prefix = parent, low, high, prefix

    def __call__(self, stage: str, done: int, total: int) -> None:
        share = self._low + (self._high - self._low) * min(1.0, done / max(total, 1))
        self._parent(self._prefix + stage, round(WHOLE * share), WHOLE)

    def emit(self, event: object) -> None:
        self._parent.emit(event)


SILENT = Progress()  # reports nothing and never cancels


@contextmanager
def defer_signals() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until the end of the block, then answer the first one.

    For changes that belong together. Python runs signal handlers in the main thread only, so in
    other threads nothing is held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        pending.append(number)

    handlers = {number: signal.signal(number, hold) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if pending:
            signal.raise_signal(pending[0])

"""Batches of examples in random order, examples of similar length together."""

import random
from collections.abc import Iterator, Sequence


def batches(lengths: Sequence[int], size: int, generator: random.Random) -> Iterator[list[int]]:
    """One pass over the examples, as batches of their numbers.

    The order is shuffled, 64 batches at a time are sorted by length and cut into batches, and these
    are shuffled again: little padding, and still random.
    """
    order = list(range(len(lengths)))
    generator.shuffle(order)
    for start in range(0, len(order), 64 * size):
        window = sorted(order[start : start + 64 * size], key=lengths.__getitem__)
        pieces = [window[i : i + size] for i in range(0, len(window), size)]
        generator.shuffle(pieces)
        yield from pieces


class Passes:
    """Batches without end, pass after pass, whose position can be stored and restored."""

    def __init__(self, lengths: Sequence[int], size: int, seed: int) -> None:
        self._lengths, self._size = lengths, size
        self._generator = random.Random(seed)
        self._begin()

    def _begin(self) -> None:
        self._state = self._generator.getstate()
        self._taken, self._batches = 0, batches(self._lengths, self._size, self._generator)

    def take(self) -> list[int]:
        """The examples of the next step, by number."""
        while (rows := next(self._batches, None)) is None:
            self._begin()
        self._taken += 1
        return rows

    def place(self) -> list[object]:
        """The position, as JSON values."""
        version, numbers, gauss = self._state
        return [version, list(numbers), gauss, self._taken]

    def go_to(self, position: list[object]) -> None:
        """Go on from a position, as if it had never been left."""
        version, numbers, gauss, taken = position
        self._generator.setstate((version, tuple(numbers), gauss))  # type: ignore[arg-type]
        self._begin()
        for _ in range(int(taken)):  # type: ignore[call-overload]
            self.take()

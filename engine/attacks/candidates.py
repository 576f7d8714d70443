"""The texts an attack may try next: drawn from the text and the seed alone, and found once for all
victims of an example.
"""

import copy
import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from prunescope.engine.attacks.services import current_turn, yield_turn


class SeededTransformation:
    """A transformation whose random draws depend only on the seed, the text and the words it may
    change.

    So every victim is offered the same candidates for the same word of the same text, in whatever
    order they are asked. The generators are left as they were.
    """

    def __init__(self, transformation: Any, seed: int) -> None:
        self._transformation, self._seed = transformation, seed

    def __call__(self, current_text: Any, *args: Any, **kwargs: Any) -> Any:
        indices = sorted(kwargs.get("indices_to_modify") or ())
        digest = hashlib.sha256(
            f"{self._seed}|{current_text.text}|{indices}".encode("utf-8", "surrogatepass")
        ).digest()
        state, numpy_state = random.getstate(), np.random.get_state()
        try:
            random.seed(digest)
            np.random.seed(int.from_bytes(digest[:4], "big"))
            return self._transformation(current_text, *args, **kwargs)
        finally:
            random.setstate(state)
            np.random.set_state(numpy_state)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transformation, name)


_COMING = object()  # another attack is finding these candidates


class SharedCandidates:
    """The candidates of one example, shared by the attacks on several victims.

    What may follow a text is decided by its words, by which of them were changed, by the words to
    change next, and by the original; transformations and constraints see nothing of the victim. So
    it is found once, by the attack that comes first; attacks that need it meanwhile let that one go
    on. Each gets texts of its own, because TextAttack writes on them. All are charged the seconds
    that it took, or the first victim alone would run out of a budget for the others' sake.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Any] = {}

    def get(
        self, find: Callable[..., Sequence[Any]], current_text: Any, **limits: Any
    ) -> list[Any]:
        """`find(current_text, **wanted)`, TextAttack's `Attack.get_transformations`, or what it
        gave before.
        """
        state = current_text.attack_attrs
        limits_key = repr(
            sorted((name, value) for name, value in limits.items() if name != "original_text")
        )
        key = (
            current_text.text,
            frozenset(state["modified_indices"]),
            state["original_index_map"].tobytes(),
            limits_key,
        )
        while self._found.get(key) is _COMING:
            yield_turn()
        turn = current_turn()
        if key not in self._found:
            self._found[key], before = _COMING, turn.used() if turn else 0.0
            try:
                texts = tuple(_own(text, current_text) for text in find(current_text, **limits))
                self._found[key] = texts, (turn.used() if turn else 0.0) - before
            finally:
                if (
                    self._found[key] is _COMING
                ):  # this attack ended; another one may still find them
                    del self._found[key]
        elif turn is not None:
            turn.spent += self._found[key][1]
        return [_own(text, current_text) for text in self._found[key][0]]


def _own(text: Any, previous: Any) -> Any:
    """The same text with attributes of its own."""
    duplicate = copy.copy(text)
    duplicate.attack_attrs = dict(text.attack_attrs)
    if "previous_attacked_text" in duplicate.attack_attrs:
        duplicate.attack_attrs["previous_attacked_text"] = previous
    return duplicate

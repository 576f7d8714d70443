"""The texts an attack may try next: decided by text and seed alone, and shared by the victims of an
example.
"""

import copy
import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from prunescope.engine.attacks.services import current_turn, yield_turn


class SeededTransformation:
    """A transformation whose random choices depend only on seed, text and words to change.

    So every victim is offered the same candidates for the same word of the same text, whatever the
    order of the queries. The global generators are restored.
    """

    def __init__(self, transformation: Any, seed: int) -> None:
        self._transformation, self._seed = transformation, seed

    def __call__(self, current_text: Any, *args: Any, **kwargs: Any) -> Any:
        """The wrapped transformation's candidates for a text."""
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


_PENDING = object()  # another attack is finding these candidates


class SharedCandidates:
    """The candidates of one example, shared by the attacks on several victims.

    The candidates of a text are decided by its words, by which of them were changed, by the words
    to change next, and by the original; transformations and constraints do not see the victim. So
    the attack that comes first computes them once, and others that need them meanwhile wait. Each
    gets copies, because TextAttack writes on them. All are charged the seconds that it took, or the
    first victim alone would use up its budget for the others.
    """

    def __init__(self) -> None:
        self._candidates: dict[tuple[Any, ...], Any] = {}

    def get(
        self, find: Callable[..., Sequence[Any]], current_text: Any, **limits: Any
    ) -> list[Any]:
        """The candidates that `find`, TextAttack's `Attack.get_transformations`, gives for a text.

        Only the first call with the same text and limits computes them.
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
        while self._candidates.get(key) is _PENDING:
            yield_turn()
        turn = current_turn()
        if key not in self._candidates:
            self._candidates[key], before = _PENDING, turn.used() if turn else 0.0
            try:
                texts = tuple(_own(text, current_text) for text in find(current_text, **limits))
                self._candidates[key] = texts, (turn.used() if turn else 0.0) - before
            finally:
                # this attack ended; another one may still find them
                if self._candidates[key] is _PENDING:
                    del self._candidates[key]
        elif turn is not None:
            turn.spent += self._candidates[key][1]
        return [_own(text, current_text) for text in self._candidates[key][0]]


def _own(text: Any, previous: Any) -> Any:
    """The same text with attributes of its own."""
    duplicate = copy.copy(text)
    duplicate.attack_attrs = dict(text.attack_attrs)
    if "previous_attacked_text" in duplicate.attack_attrs:
        duplicate.attack_attrs["previous_attacked_text"] = previous
    return duplicate

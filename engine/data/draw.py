"""Which examples are evaluated and attacked: one seeded draw for every command and page.

Light to import.
"""

import random

from prunescope.engine.data.records import Examples
from prunescope.engine.errors import SettingError


def sample(examples: Examples, n: int, seed: int) -> tuple[int, ...]:
    """Sorted positions of `n` examples drawn without replacement; all of them where `n` exceeds the
    set.

    Raises SettingError for an `n` below 1.
    """
    if n < 1:
        raise SettingError(f"A sample of {n} examples was asked for; ask for at least 1.")
    return tuple(sorted(random.Random(seed).sample(range(len(examples)), min(n, len(examples)))))


def drawn_to_attack(rows: int, attacked: int, seed: int) -> tuple[int, ...]:
    """The examples to attack, drawn at random, since a file may be sorted by label."""
    order = list(range(rows))
    random.Random(seed).shuffle(order)
    return tuple(sorted(order[:attacked]))


def drawn_rows(
    examples: Examples, evaluated: int, attacked: int, seed: int
) -> tuple[Examples, tuple[int, ...]]:
    """(the examples to evaluate, the positions of those to attack).

    Every command and page calls this, so that the same sizes and seed always mean the same
    examples. Of two numbers of attacked examples, the smaller set lies within the larger one.
    Raises SettingError where nothing is to be evaluated.
    """
    evaluation = examples.take(sample(examples, evaluated, seed))
    return evaluation, drawn_to_attack(len(evaluation), attacked, seed)

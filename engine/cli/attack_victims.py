"""The victims of `prunescope attack`, their budget and their limit of tokens."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.console import Console
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store

if TYPE_CHECKING:  # imports torch
    from prunescope.engine.attacks.attempt import Budget
    from prunescope.engine.attacks.terms import KeyedVictim
    from prunescope.engine.models.victim import Victim


def victims_of(
    options: argparse.Namespace, spec: StudySpec, store: Store, console: Console
) -> "dict[str, KeyedVictim]":
    """By name, the model alone, with `--against`, or with itself pruned to `--sparsity`."""
    from prunescope.engine.cli.models import model_sides, one_side, pruned_sides

    notices = list[str]()
    if options.against is None and options.sparsity is None:
        targets = one_side(spec)
    elif options.against is not None:
        targets, notices = model_sides(spec, options.against)
    else:
        targets, notices = pruned_sides(spec, options.sparsity, store, console.report)
    of_victims = [notice for target in targets.values() for notice in target.victim.notices]
    console.notices([*of_victims, *notices])
    return targets


def budget_of(options: argparse.Namespace) -> "Budget":
    """The budget of an attack on one example."""
    from prunescope.engine.attacks.attempt import Budget

    return Budget(options.max_queries, options.max_seconds)


def texts_at_limit(
    victim: "Victim", texts: Sequence[str], pairs: Sequence[str] | None = None
) -> int:
    """How many texts reach a victim's limit of tokens."""
    encoded: Any = victim.encode(texts, pairs)["input_ids"]
    return sum(len(ids) >= victim.max_tokens for ids in encoded)

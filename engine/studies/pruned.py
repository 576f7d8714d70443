"""The pruned models of a study: from memory, from the cache, or pruned now and saved there."""

import time
from collections.abc import Iterator, Sequence

from prunescope.engine.export.measurements import (
    keep_measurements,
    load_measurements,
    measurements_key,
)
from prunescope.engine.export.pruned_models import has_pruned, load_pruned, save_pruned
from prunescope.engine.models.weights import check_finite
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.measurements import SharedMeasurements, measures
from prunescope.engine.pruning.pipeline import prune_levels
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.store import Store, victim_key
from prunescope.engine.studies.prepare import PreparedStudy


def pruned_at(
    prepared: PreparedStudy, sparsity: float, store: Store, report: Progress = SILENT
) -> Pruned:
    """The victim at one sparsity: from memory, from the cache, or pruned now and saved there."""
    if (pruned := _existing(prepared, sparsity, store)) is not None:
        return pruned
    if _is_quick(prepared, sparsity):
        return next(prune_and_save(prepared, (sparsity,), store, report))
    with store.computing(victim_key(prepared.study.identity, sparsity), report=report):
        return _existing(prepared, sparsity, store) or next(
            prune_and_save(prepared, (sparsity,), store, report)
        )


def prune_ahead(
    prepared: PreparedStudy,
    levels: Sequence[float],
    store: Store,
    report: Progress,
    keep: Sequence[float] = (),
) -> None:
    """Prune in one pass those of the levels that are neither measured nor saved.

    All of them wait in the cache; the levels in `keep` stay in memory too, until
    `prepared.in_memory` is cleared.
    """
    if len(due := _due(prepared, levels, store)) < 2:
        return
    keys = [victim_key(prepared.study.identity, level) for level in due]
    with store.computing(*keys, report=report):
        due = _due(prepared, due, store)  # without what another process pruned meanwhile
        for pruned in prune_and_save(prepared, due, store, report) if due else ():
            if pruned.sparsity in keep:
                prepared.in_memory[pruned.sparsity] = pruned


def prune_and_save(
    prepared: PreparedStudy, levels: Sequence[float], store: Store, report: Progress
) -> Iterator[Pruned]:
    """Prune levels in one pass, and save each as soon as it is there.

    Raises ModelError for a level whose weights or answers are not finite; it is not saved.
    """
    text, start = prepared.calibration, time.perf_counter()
    first_pair = None if text.pairs is None else text.pairs[:1]
    known = measurements_of(prepared, store)
    for pruned in prune_levels(
        prepared.victim, text.texts, text.pairs, prepared.plan, levels, report, known
    ):
        check_finite(pruned.victim.model, pruned.victim.name, "prune less, or with more damping")
        pruned.victim.read(text.texts[:1], first_pair)  # raises where it overflows
        if not _is_quick(prepared, pruned.sparsity):
            key = victim_key(prepared.study.identity, pruned.sparsity)
            save_pruned(store, key, pruned, prepared.victim)
        share = (time.perf_counter() - start) / len(levels)  # of the pass
        prepared.seconds[pruned.sparsity] = {
            "prune": round(share, 3),
            **{f"solve {layer}": round(spent, 4) for layer, spent in pruned.seconds.items()},
        }
        yield pruned


def measurements_of(prepared: PreparedStudy, store: Store) -> SharedMeasurements:
    """What the study has measured once, from the store where this process has not yet; what is
    measured from now on is kept there.
    """
    if prepared.known is None:
        if measures(prepared.plan):
            key = measurements_key(prepared.study.identity, prepared.plan)
            known = load_measurements(store, key, prepared.victim)
            known.measured = lambda: keep_measurements(store, key, known)
            prepared.known = known
        else:
            prepared.known = SharedMeasurements()
    return prepared.known


def _existing(prepared: PreparedStudy, sparsity: float, store: Store) -> Pruned | None:
    if (pruned := prepared.in_memory.get(sparsity)) is not None:
        return pruned
    if _is_quick(prepared, sparsity):
        return None
    return load_pruned(store, victim_key(prepared.study.identity, sparsity), prepared.victim)


def _is_quick(prepared: PreparedStudy, sparsity: float) -> bool:
    """Whether pruning a level takes no longer than reading it from the cache."""
    return sparsity == 0 or not prepared.plan.method.calibrated


def _due(prepared: PreparedStudy, levels: Sequence[float], store: Store) -> list[float]:
    return [
        level
        for level in levels
        if not _is_quick(prepared, level)
        and store.level(prepared.study, level) is None
        and not has_pruned(store, victim_key(prepared.study.identity, level))
    ]

"""The pruned models of a study: from memory, from the cache, or pruned now and saved there.

A study that tunes its pruned models keeps them from before, too, under the key of the study that
does not.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

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
from prunescope.engine.store import Store, key_of, victim_key
from prunescope.engine.studies.adding import prune_on_further
from prunescope.engine.studies.examples import rounds_of
from prunescope.engine.studies.prepare import PreparedStudy
from prunescope.engine.training.recovery import recover
from prunescope.engine.training.recovery_spec import Recovery, recovery_of

TUNING_SHARE = 10  # of a level's time, as a multiple of its pruning's


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
    """Prune levels in one pass, tune them where the study says so, and save each as soon as it is
    there.

    Raises ModelError for a level whose weights or answers are not finite; it is not saved.
    """
    if (recovery := recovery_of(prepared.spec)) is None:
        yield from _prune_and_save(prepared, levels, store, report)
        return
    untuned = _untuned(prepared)
    parts = report.parts({"prune": 1, "recover": TUNING_SHARE})
    prune_ahead(untuned, levels, store, parts["prune"])
    for level, part in parts["recover"].each(levels):
        before = parts["prune"] if len(levels) == 1 else part.part(0, 0)
        pruned, start = pruned_at(untuned, level, store, before), time.perf_counter()
        if level:
            pruned = _tuned(prepared, pruned, recovery, store, part)
            _check(prepared, pruned)
            key = victim_key(prepared.study.identity, level)
            save_pruned(store, key, pruned, prepared.victim)
            spent = round(time.perf_counter() - start, 3)
            pruning = untuned.seconds.get(level, {"prune": 0.0})  # 0: it was in the cache
            prepared.seconds[level] = {**pruning, "recover": spent}
        yield pruned


def _prune_and_save(
    prepared: PreparedStudy, levels: Sequence[float], store: Store, report: Progress
) -> Iterator[Pruned]:
    """`prune_and_save` without tuning."""
    start = time.perf_counter()
    for pruned in _pruned(prepared, levels, store, report):
        _check(prepared, pruned)
        if not _is_quick(prepared, pruned.sparsity):
            key = victim_key(prepared.study.identity, pruned.sparsity)
            save_pruned(store, key, pruned, prepared.victim)
        share = (time.perf_counter() - start) / len(levels)  # of the pass
        prepared.seconds[pruned.sparsity] = {
            "prune": round(share, 3),
            **{f"solve {layer}": round(spent, 4) for layer, spent in pruned.seconds.items()},
        }
        yield pruned


def _pruned(
    prepared: PreparedStudy, levels: Sequence[float], store: Store, report: Progress
) -> Iterator[Pruned]:
    text, known = prepared.calibration, measurements_of(prepared, store)
    if prepared.data.own < len(text) and prepared.plan.method.calibrated:
        return prune_on_further(prepared, levels, report)
    return prune_levels(
        prepared.victim, text.texts, text.pairs, prepared.plan, levels, report, known
    )


def _check(prepared: PreparedStudy, pruned: Pruned) -> None:
    """Raises ModelError for weights or answers that are not finite."""
    text = prepared.calibration
    check_finite(pruned.victim.model, pruned.victim.name, "prune less, or with more damping")
    pruned.victim.read(text.texts[:1], None if text.pairs is None else text.pairs[:1])


def _untuned(prepared: PreparedStudy) -> PreparedStudy:
    """The study that does not tune."""
    identity = dict(prepared.study.identity)
    del identity["recovery"]
    study = replace(prepared.study, key=key_of(identity), identity=identity)
    spec = replace(prepared.spec, recover="off")
    return replace(prepared, study=study, spec=spec, in_memory={}, seconds={})


def _tuned(
    prepared: PreparedStudy, pruned: Pruned, recovery: Recovery, store: Store, report: Progress
) -> Pruned:
    """A pruned model after its recovery, which goes on where it was cut short."""
    key = victim_key(prepared.study.identity, pruned.sparsity)
    keep = store.root / "victims" / f"{key}.checkpoint"
    texts, held_out = prepared.calibration, prepared.held_out
    return recover(prepared.victim, pruned, texts, held_out, recovery, key, keep, report)


def measurements_of(prepared: PreparedStudy, store: Store) -> SharedMeasurements:
    """What the study has measured once, from the store where this process has not yet; what is
    measured from now on is kept there.
    """
    if prepared.known is None:
        if measures(prepared.plan):
            text, own = prepared.calibration, prepared.data.own
            if own < len(text):  # they are measured on the first of the rounds
                text = text.take(range(rounds_of(own, len(text))[0]))
            identity = {**prepared.study.identity, "calibration": text.fingerprint()}
            key = measurements_key(identity, prepared.plan)
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
    calibrated, tuned = prepared.plan.method.calibrated, prepared.spec.recover != "off"
    return sparsity == 0 or not (calibrated or tuned)


def _due(prepared: PreparedStudy, levels: Sequence[float], store: Store) -> list[float]:
    return [
        level
        for level in levels
        if not _is_quick(prepared, level)
        and store.level(prepared.study, level) is None
        and not has_pruned(store, victim_key(prepared.study.identity, level))
    ]

"""Run a study: prune levels in one pass, attack groups of them in lock-step, measure and save each.

Levels that are stored are not computed again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import LevelResult, Study, StudySpec
from prunescope.engine.store import Store, level_key
from prunescope.engine.studies.attack import attack_together
from prunescope.engine.studies.events import StudyOpened
from prunescope.engine.studies.level import SHARES, measure_level, shares_of
from prunescope.engine.studies.prepare import PreparedStudy, prepare
from prunescope.engine.studies.pruned import prune_ahead, pruned_at

PRUNED_TOGETHER = 8  # levels of one pass, which is what an interruption can lose
ATTACKED_TOGETHER = 4  # levels whose weights are in memory together


def run_study(spec: StudySpec, store: Store | None = None, report: Progress = SILENT) -> Study:
    """Run every level of a study, dense first, and return it with the requested levels.

    Emits `StudyOpened` as soon as model and data are read. Raises InputError before any work on bad
    input; InterruptedStudy from `report` leaves all finished work in the store.
    """
    prepared = prepare(spec, report)
    report.emit(StudyOpened(prepared.study, prepared.notices))
    return run_prepared(prepared, store or Store(), report)


def run_prepared(prepared: PreparedStudy, store: Store, report: Progress = SILENT) -> Study:
    """Run every level of a prepared study; see `run_study`."""
    levels = sorted(set(prepared.spec.levels))
    store.save_study(prepared.study)
    with store.using(prepared.study.key):
        results = list(_measure_all(prepared, levels, store, report))
        for result in results:
            # its file may have been taken away while the others were measured
            if store.level(prepared.study, result.sparsity) is None:
                store.save_level(prepared.study, result)
    report.finish()
    return replace(prepared.study, levels=tuple(results))


def _measure_all(
    prepared: PreparedStudy, levels: Sequence[float], store: Store, report: Progress
) -> Iterator[LevelResult]:
    dense = [level for level in levels if not level]
    sparse = [level for level in levels if level]
    batches = [*([dense] if dense else []), *_chunks(sparse, PRUNED_TOGETHER)]
    for batch, part in report.each(batches, list(map(len, batches))):
        for level in _measure_batch(prepared, batch, store, part):
            store.notices += [text for text in level.notices if text not in store.notices]
            yield level


def _measure_batch(
    prepared: PreparedStudy, levels: Sequence[float], store: Store, report: Progress
) -> Iterator[LevelResult]:
    """Prune levels in one pass, then attack and measure them group by group.

    Pruned models pass from step to step in memory, those of one group at a time; the other groups
    read theirs from the cache.
    """
    groups = _chunks(levels, ATTACKED_TOGETHER)
    shares = shares_of(prepared)
    ahead = shares["prune"] if len(levels) > 1 else 0
    parts = report.parts({"prune": ahead, "measure": sum(shares.values()) - ahead})
    try:
        prune_ahead(prepared, levels, store, parts["prune"], keep=groups[0])
        for group, part in parts["measure"].each(groups, list(map(len, groups))):
            yield from _measure_group(prepared, group, store, part)
            prepared.in_memory.clear()
    finally:
        prepared.in_memory.clear()


def _measure_group(
    prepared: PreparedStudy, levels: Sequence[float], store: Store, report: Progress
) -> Iterator[LevelResult]:
    attacks = _attacks_together(prepared, levels)
    ahead = SHARES["attack"] if attacks else 0
    rest = SHARES["evaluate"] + SHARES["layer errors"]
    parts = report.parts({"attack": ahead, "measure": rest if attacks else 1})
    if attacks:
        _attack_ahead(prepared, levels, store, parts["attack"])
    for level, part in parts["measure"].each(levels, label=lambda level: f"{100 * level:g}%"):
        yield measure_level(prepared, level, store, part)


def _attacks_together(prepared: PreparedStudy, levels: Sequence[float]) -> bool:
    """Whether levels share their attacks; not where seconds count from an attack's own start."""
    return len(levels) > 1 and bool(prepared.attacked) and prepared.spec.max_seconds is None


def _attack_ahead(
    prepared: PreparedStudy, levels: Sequence[float], store: Store, report: Progress
) -> None:
    study = prepared.study
    keys = [level_key(study.identity, level) for level in levels]
    with store.computing(*keys, report=report):
        due = [level for level in levels if store.level(study, level) is None]
        if len(due) < 2:
            return
        waiting = report.part(0, 0)
        for level in due:
            prepared.in_memory[level] = pruned_at(prepared, level, store, waiting)
        pruned = {level: prepared.in_memory[level] for level in due}
        attack_together(prepared, pruned, store, report)


def _chunks(levels: Sequence[float], size: int) -> list[Sequence[float]]:
    return [levels[start : start + size] for start in range(0, len(levels), size)]

"""`prunescope study` and `demo`."""

import argparse
from dataclasses import asdict
from typing import Any

from prunescope.engine.cli.console import Console, level_table, safe_lines
from prunescope.engine.cli.options import (
    Answer,
    Command,
    add_settings,
    measure_options,
    spec_from,
    victim_options,
)
from prunescope.engine.cli.settings import Places
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import Store, level_payload

DEMO = {"levels": (0.0, 0.5, 0.7, 0.9), "attack_examples": 40, "eval_examples": 505}
SHOWN = ("sparsity", "achieved", "acc", "aua", "asr", "cls_error", "layer_errors", "seconds")


def add_commands(command: Command) -> None:
    """Add `study` and `demo`."""
    study = command(
        "study",
        _study,
        "Measure a classifier at several sparsities. At each of them it is pruned, evaluated and "
        "attacked: accuracy, accuracy under attack, attack success, and the error of every layer. "
        "What is stored already is not computed again.",
        examples=(
            (
                "Your own model, on your own data:",
                "study --model ./my-model --data reviews.csv --levels 0,0.5,0.875",
            ),
            (
                "The embedded model, pruned by SparseGPT, without an attack:",
                "study --method sparsegpt --levels 0,0.5,0.8 --attack none",
            ),
        ),
    )
    victim_options(study)
    add_settings(study, StudySpec, "levels")
    measure_options(study)
    add_settings(study, Places, "tolerance", "background")
    demo = command(
        "demo",
        _demo,
        "Run a small study of the embedded model: 3 minutes on 2 cores.",
        examples=(
            ("See a study from beginning to end:", "demo"),
            ("The same, with safe meaning within 5 points of dense:", "demo --tolerance 5"),
        ),
    )
    add_settings(demo, StudySpec, "device")
    add_settings(demo, Places, "cache", "tolerance")


def _answer(study: Study, spec: StudySpec, points: float) -> dict[str, Any]:
    from prunescope.engine.reading.safety import doubts, last_safe, safe_spread

    levels = [
        {**level_payload(level), "seconds": level.seconds, "machine": level.machine}
        for level in study.levels
    ]
    safe, spread = last_safe(study, points), safe_spread(study, points)
    return {
        "spec": asdict(spec),
        "key": study.key,
        "about": study.about,
        "notices": list(
            dict.fromkeys(notice for level in study.levels for notice in level.notices)
        ),
        "last_safe": {**asdict(safe), **asdict(spread)} if safe and spread else None,
        "doubts": list(doubts(study, points)),
        "levels": [{name: level[name] for name in SHOWN} for level in levels],
    }


def _study(options: argparse.Namespace, console: Console) -> Answer:
    if options.background:
        return _queue(spec_from(options), options.cache, console)
    return _run(spec_from(options), options, console)


def _queue(spec: StudySpec, cache: str | None, console: Console) -> Answer:
    from prunescope.engine.cli.jobs import line, shown
    from prunescope.engine.jobs.queue import JobQueue
    from prunescope.engine.store.listing import study_rows
    from prunescope.engine.studies.estimate import estimate
    from prunescope.engine.studies.prepare import check_sources, check_spec

    check_spec(spec)
    check_sources(spec)
    queue, store = JobQueue(cache), Store(cache)
    row = queue.submit(spec, estimate(spec, study_rows(store)).seconds)
    console.notices(store.notices, answered=False)
    rows = queue.rows()
    return {"job": shown(row, rows)}, line(row, rows)


def _demo(options: argparse.Namespace, console: Console) -> Answer:
    return _run(spec_from(options, **DEMO), options, console)


def _run(spec: StudySpec, options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.studies.run import run_study

    store = Store(options.cache)
    study = run_study(spec, store, console.report)
    console.notices(store.notices, answered=False)
    return _answer(study, spec, options.tolerance), level_table(study) + safe_lines(
        study, options.tolerance
    )

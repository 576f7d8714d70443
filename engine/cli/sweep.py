"""`prunescope sweep FILE`: a grid of studies, through the queue of this machine or on a Ray
cluster.
"""

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import add_settings, group_of
from prunescope.engine.cli.settings import Places
from prunescope.engine.config.study import RUN
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import expanded
from prunescope.engine.store import Store, key_of
from prunescope.engine.store.listing import study_rows

if TYPE_CHECKING:
    from prunescope.engine.jobs.queue import JobQueue

Answer = tuple[dict[str, Any], str]
EVERY = 0.5


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `sweep`."""
    sweep = command(
        "sweep",
        _sweep,
        "Run a grid of studies from a file. Models, data, methods, patterns, seeds and attacks, "
        "each over the same sparsities; the same command goes on where it was stopped.",
        examples=(
            ("Every study of the file, one after the other:", "sweep grid.yaml"),
            ("As jobs that run by themselves:", "sweep grid.yaml --background"),
        ),
    )
    sweep.add_argument(
        "file",
        metavar="SWEEP.yaml",
        help="the grid: lists of models, data, methods, patterns, sparsities, "
        "seeds, attacks, and any setting of a study",
    )
    group_of(sweep, RUN).add_argument(
        "--ray",
        metavar="ADDRESS",
        help="a Ray cluster, as HOST:6379 or auto, instead of this machine; --cache or "
        "PRUNESCOPE_SHARED then names a folder that every machine reaches",
    )
    add_settings(sweep, Places, "cache", "background")


def _sweep(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.studies.prepare import check_spec
    from prunescope.engine.studies.sweep import read_sweep

    specs = read_sweep(expanded(options.file))
    for spec in specs:
        check_spec(spec)
    values = [[getattr(spec, field) for field in spec.__slots__] for spec in specs]
    name = f"sweep-{key_of(values)[:8]}"
    if options.ray:
        return _on_cluster(options, console, specs, name)
    return _run_on_this_machine(options, console, specs, name)


def _run_on_this_machine(
    options: argparse.Namespace, console: Console, specs: list[Any], name: str
) -> Answer:
    from prunescope.engine.jobs.queue import JobQueue
    from prunescope.engine.studies.estimate import estimate

    queue, store = JobQueue(options.cache), Store(options.cache)
    stored = study_rows(store)
    console.notices(store.notices, answered=False)
    jobs = [queue.submit(spec, estimate(spec, stored).seconds, sweep=name).id for spec in specs]
    try:
        if not options.background:
            _wait(queue, jobs, console)
    except KeyboardInterrupt:  # the queue's own processes would go on
        for row in reversed(
            [row for row in queue.rows() if row.id in jobs and row.active and row.sweep == name]
        ):
            queue.cancel(row.id)  # the one that runs at the end, so that none takes its place
        raise
    rows = [row for row in queue.rows() if row.id in jobs]
    return _result(
        name, [(row.title, row.state, row.study or "", row.reason) for row in rows], options
    )


def _wait(queue: "JobQueue", jobs: list[str], console: Console) -> None:
    while True:
        rows = [row for row in queue.rows() if row.id in jobs]
        ended = sum(not row.active for row in rows)
        share = sum(row.share if row.active else 1.0 for row in rows)
        console.report(f"{ended} of {len(jobs)} studies", round(1000 * share), 1000 * len(jobs))
        if ended == len(jobs):
            return
        queue.start_if_due()
        time.sleep(EVERY)


def _on_cluster(
    options: argparse.Namespace, console: Console, specs: list[Any], name: str
) -> Answer:
    from prunescope.engine.jobs.cluster import run_on_cluster
    from prunescope.engine.jobs.rows import JobTable
    from prunescope.engine.paths import shared_cache, user_cache

    shared = expanded(options.cache) if options.cache else shared_cache()
    if shared is None:
        raise SettingError(
            "A cluster needs a folder that every machine reaches; name it with --cache or "
            "PRUNESCOPE_SHARED."
        )
    if options.background:
        raise SettingError(
            "--background is for this machine; let a sweep on a cluster run under nohup or tmux."
        )
    rows = JobTable(user_cache())
    run_on_cluster(specs, options.ray, shared.resolve(), rows, name, console.report)
    studies = rows.read("sweep = ? and do = 'elsewhere'", name)
    return _result(
        name, [(row.title, row.state, row.study or "", row.reason) for row in studies], options
    )


def _code(ended: list[tuple[str, str]]) -> int:
    """The command line's exit code for studies with these states and reasons: the worst of them."""
    from prunescope.engine.jobs.work import DEFECT

    failed = {reason for state, reason in ended if state == "failed"}
    if failed:
        return 1 if DEFECT in failed else 2
    return 3 if any(state in ("cancelled", "interrupted") for state, _ in ended) else 0


def _result(
    name: str, studies: list[tuple[str, str, str, str]], options: argparse.Namespace
) -> Answer:
    options.code = _code([(state, reason) for _, state, _, reason in studies])
    lines = [
        f"{state:<11}  {key[:12]:<12}  {title}  {reason}\n" for title, state, key, reason in studies
    ]
    answer = {
        "sweep": name,
        "studies": [
            {"title": title, "state": state, "key": key, "reason": reason}
            for title, state, key, reason in studies
        ],
    }
    return answer, "".join(lines)

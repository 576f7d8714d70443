"""`prunescope jobs …`: studies that run in the background."""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import add_settings, as_flags
from prunescope.engine.cli.parser import CommandParser, add_actions
from prunescope.engine.cli.settings import Places
from prunescope.engine.formatting import format_duration
from prunescope.engine.jobs.queue import JobQueue
from prunescope.engine.jobs.rows import JobRow

Answer = tuple[dict[str, Any], str]
SHOWN = (
    "id",
    "do",
    "title",
    "arguments",
    "slot",
    "state",
    "stage",
    "done",
    "total",
    "remaining",
    "expected",
    "created",
    "started",
    "ended",
    "reason",
    "study",
    "sweep",
    "pid",
    "memory",
    "tries",
)


def add_commands(command: Callable[..., CommandParser]) -> None:
    """Add `jobs` and what it does."""
    jobs = command(
        "jobs",
        _list,
        "List the studies in the background, or act on one. Studies come here by study "
        "--background, by sweep --background, and from the dashboard.",
        examples=(("What runs and what waits:", "jobs"), ("Stop a job:", "jobs cancel 4f1c")),
    )
    add_settings(jobs, Places, "cache")
    actions = (
        ("list", _list, "List every job, with its place in the queue."),
        ("show", _show, "Show one job."),
        ("cancel", _cancel, "Stop a job. What it finished is kept."),
        ("resume", _resume, "Queue a job again that failed, was cancelled or interrupted."),
        ("log", _log, "Print what a job has said."),
        ("remove", _remove, "Forget a job and its log. Its study stays."),
    )
    parsers = add_actions(
        jobs,
        [
            (
                name,
                run,
                about,
                (
                    ("By the list's first digits:", f"jobs {name} 4f1c"),
                    ("For a program:", f"jobs {name} 4f1c --json"),
                )
                if name != "list"
                else (("For a person:", "jobs list"), ("For a program:", "jobs list --json")),
            )
            for name, run, about in actions
        ],
    )
    for name, parser in parsers.items():
        if name != "list":
            parser.add_argument("job", metavar="ID", help="the job's id, or its first digits")


def shown(row: JobRow, rows: list[JobRow]) -> dict[str, Any]:
    """A job as JSON, with its place in the queue."""
    columns = {name: value for name, value in asdict(row).items() if name in SHOWN}
    before, wait = JobQueue.waiting(row, rows) if row.state == "queued" else (0, None)
    return {**columns, "before": before, "wait": wait}


def line(row: JobRow, rows: list[JobRow]) -> str:
    """A job in one line."""
    if row.state == "queued":
        before, wait = JobQueue.waiting(row, rows)
        status = f"{before} before it" + (
            "" if wait is None or not before else f", starts in about {format_duration(wait)}"
        )
    elif row.state == "running":
        left = "" if row.remaining is None else f", {format_duration(row.remaining)} left"
        status = f"{100 * row.share:.0f} % {row.stage}{left}"
    else:
        status = as_flags(" ".join(row.reason.split())) or (row.study or "")[:12]
    return f"{row.id}  {row.state:<11}  {row.slot:<6}  {row.title}  {status}\n"


def _list(options: argparse.Namespace, console: Console) -> Answer:
    rows = JobQueue(options.cache).rows()
    return {"jobs": [shown(row, rows) for row in rows]}, "".join(
        line(row, rows) for row in rows
    ) or "No jobs.\n"


def _one(queue: JobQueue, row: JobRow) -> Answer:
    rows = queue.rows()
    return {"job": shown(row, rows)}, line(row, rows)


def _show(options: argparse.Namespace, console: Console) -> Answer:
    queue = JobQueue(options.cache)
    row = queue.row(options.job)
    answer, text = _one(queue, row)
    moments = {name: getattr(row, name) for name in ("created", "started", "ended")}
    lines = [
        f"{name}  {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))}\n"
        for name, at in moments.items()
        if at
    ]
    settings = [f"{name}  {value}\n" for name, value in row.arguments.items()]
    return answer, text + "".join(lines + settings)


def _cancel(options: argparse.Namespace, console: Console) -> Answer:
    queue = JobQueue(options.cache)
    return _one(queue, queue.cancel(options.job))


def _resume(options: argparse.Namespace, console: Console) -> Answer:
    queue = JobQueue(options.cache)
    return _one(queue, queue.resume(options.job))


def _log(options: argparse.Namespace, console: Console) -> Answer:
    text = JobQueue(options.cache).log(options.job)
    return {"log": text}, text


def _remove(options: argparse.Namespace, console: Console) -> Answer:
    JobQueue(options.cache).remove(options.job)
    return {"removed": True}, "Removed.\n"

"""`prunescope runs …`: list, verify, repeat, move and clean up the studies of the store."""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import add_settings, as_flags
from prunescope.engine.cli.parser import CommandParser, add_actions
from prunescope.engine.cli.settings import Places
from prunescope.engine.cli.upkeep import (
    clean,
    clean_options,
    pin,
    rebuild,
    remove,
    stored_key,
    unpin,
    verify,
)
from prunescope.engine.errors import StoreError
from prunescope.engine.formatting import format_bytes
from prunescope.engine.jobs.unfinished import Unfinished, unfinished
from prunescope.engine.paths import expanded
from prunescope.engine.reading.names import full_names
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store, level_payload
from prunescope.engine.store.exchange import MOST_BYTES, export_study, import_study
from prunescope.engine.store.listing import StudyRow, study_rows
from prunescope.engine.store.maintenance import store_sizes

Answer = tuple[dict[str, Any], str]
OTHERWISE = (
    "Another processor, number of threads or PyTorch rounds otherwise, and masks follow; "
    "how far, the table says."
)


KEY = "1095c3ccd72d"  # of a bundled study, for the examples


def add_commands(command: Callable[..., CommandParser]) -> None:
    """Add `runs` and what it does."""
    runs = command(
        "runs",
        _list,
        "List the studies of the store, or act on one. The store has what this machine computed "
        "and what ships with PruneScope.",
        examples=(("Every study, with its key:", "runs"), ("One of them:", f"runs show {KEY}")),
    )
    add_settings(runs, Places, "cache")
    parsers = add_actions(runs, ACTIONS)
    for name in ("show", "export", "repeat", "pin", "unpin", "remove"):
        parsers[name].add_argument(
            "study", metavar="KEY", help="the study's key, or its first digits"
        )
    parsers["import"].add_argument("file", metavar="FILE", help="what `runs export` wrote")
    add_settings(
        parsers["export"],
        Places,
        "out",
        helps={"out": "the file to write"},
        metavars={"out": "FILE"},
        optional={"out": "KEY.prunescope in this folder"},
    )
    _repeat_options(parsers["repeat"])
    clean_options(parsers["clean"])


def _repeat_options(parser: CommandParser) -> None:
    add_settings(
        parser,
        StudySpec,
        *("data", "levels", "resources"),
        helps={
            "data": "its data, if it does not lie where the study found it",
            "levels": "some of its levels",
            "resources": "the attack's resources, if they do not lie where the study found them",
        },
        optional={"data": "", "levels": "all of them", "resources": ""},
    )
    add_settings(parser, StudySpec, "device")


def _list(options: argparse.Namespace, console: Console) -> Answer:
    store = Store(options.cache)
    rows, sizes = study_rows(store), store_sizes(store)
    names = full_names(rows)
    states = unfinished(store, [row.key for row in rows if not row.levels])
    lines = [f"{'key':<12}  {'layer':<7}  {'levels':>6}  {'size':>9}  {'written':<10}  study\n"]
    lines += [_line(row, name, states.get(row.key)) for row, name in zip(rows, names, strict=True)]
    parts = ", ".join(
        f"{name} {format_bytes(size)}" for name, size in sizes.items() if size and name != "total"
    )
    lines.append(
        f"{len(rows)} studies; {store.root} holds "
        f"{format_bytes(sizes['total'])}{f' ({parts})' if parts else ''}\n"
    )
    console.notices(store.notices, answered=False)
    studies = [
        {
            **asdict(row),
            "name": name,
            "unfinished": (state := states.get(row.key)) and asdict(state),
        }
        for row, name in zip(rows, names, strict=True)
    ]
    return {"studies": studies, "sizes": sizes, "root": str(store.root)}, "".join(lines)


def _line(row: StudyRow, name: str, state: Unfinished | None) -> str:
    day = time.strftime("%Y-%m-%d", time.localtime(row.modified))
    command = f"; `{state.command}` goes on" if state is not None and state.command else ""
    status = (
        ""
        if state is None
        else f": {state.sentence}{command}{f' ({as_flags(state.reason)})' if state.reason else ''}"
    )
    return (
        f"{row.key[:12]}  {row.layer:<7}  {len(row.levels):>6}  {format_bytes(row.bytes):>9}  "
        f"{day}  {name}{status}{'  (pinned)' if row.pinned else ''}\n"
    )


def _show(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.cli.console import level_table, safe_lines
    from prunescope.engine.config.study import TOLERANCE

    store = Store(options.cache)
    study = store.study(stored_key(options, console, store))
    console.notices(store.notices, answered=False)
    if study is None:
        raise StoreError(f"The study {options.study[:12]} is damaged; see the notices above.")
    levels = [
        {**level_payload(level), "seconds": level.seconds, "machine": level.machine}
        for level in study.levels
    ]
    safe = safe_lines(study, TOLERANCE)
    answer = {
        "key": study.key,
        "identity": study.identity,
        "about": study.about,
        "bundled": study.bundled,
        "levels": levels,
    }
    settings = ", ".join(
        f"{name} {value}"
        for name, value in study.about["spec"].items()
        if value not in (None, "", False)
    )
    notices = "".join(
        f"{notice}\n"
        for notice in dict.fromkeys(one for level in study.levels for one in level.notices)
    )
    return answer, f"{study.key}\n{settings}\n{level_table(study)}{safe}{notices}"


def _repeat(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.cli.console import repeat_table
    from prunescope.engine.studies.repeat import repeat_study

    store = Store(options.cache)
    study = store.study(stored_key(options, console, store))
    if study is None:
        raise StoreError(
            f"The study {options.study[:12]} is damaged; `prunescope runs verify` says more."
        )
    found = repeat_study(
        study,
        store,
        options.data,
        options.levels or (),
        options.resources,
        options.device,
        console.report,
    )
    console.notices(store.notices, answered=False)
    defect = any(one.same_machine and not one.same for one in found)
    options.code = 1 if defect else 0
    verdict = OTHERWISE
    if all(one.same for one in found):
        verdict = "Every figure and every record agrees."
    elif defect:
        verdict = "The same machine gave other figures, which is a defect of ours."
    rows = [
        {
            "sparsity": one.stored.sparsity,
            "same": one.same,
            "rows_apart": one.rows_apart,
            "attacks_apart": one.attacks_apart,
            **{
                name: {**level_payload(level), "machine": level.machine}
                for name, level in (("stored", one.stored), ("again", one.again))
            },
        }
        for one in found
    ]
    return {"key": study.key, "defect": defect, "levels": rows}, repeat_table(found, verdict)


def _export(options: argparse.Namespace, console: Console) -> Answer:
    store = Store(options.cache)
    key = stored_key(options, console, store)
    target = expanded(options.out or f"{key[:12]}.prunescope")
    if target.exists():
        raise StoreError(f"{target} is there already; name another file with --out, or remove it.")
    export_study(store, key, target)
    console.notices(store.notices, answered=False)
    size = target.stat().st_size
    return {"key": key, "out": str(target), "bytes": size}, f"{target}: {format_bytes(size)}\n"


def _import(options: argparse.Namespace, console: Console) -> Answer:
    store, path = Store(options.cache), expanded(options.file)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise StoreError(
                f"{path} has {format_bytes(path.stat().st_size)}, more than any exported study; "
                "nothing was imported."
            )
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror}); name a file that `runs export` wrote."
        ) from error
    study, new = import_study(store, content)
    console.notices(store.notices, answered=False)
    return {"key": study.key, "new_levels": new}, f"{study.key}: {new} new levels\n"


ACTIONS = (
    (
        "list",
        _list,
        "List every study of every layer, with its levels and its size.",
        (("For a person:", "runs list"), ("For a program:", "runs list --json")),
    ),
    (
        "show",
        _show,
        "Show one study: what decided it, and every level.",
        (
            ("By the first digits of its key:", f"runs show {KEY}"),
            ("All of it, for a program:", f"runs show {KEY} --json"),
        ),
    ),
    (
        "verify",
        verify,
        "Read every entry and compare its checksums. What is damaged is set aside, and the exit "
        "code is 1.",
        (
            ("The whole store:", "runs verify"),
            ("Another folder:", "runs verify --cache ./results"),
        ),
    ),
    (
        "repeat",
        _repeat,
        "Measure a study again from its model and texts, and compare. The exit code is 1 where "
        "the same machine gives other figures.",
        (
            ("Every level:", "runs repeat 3b9d"),
            ("One level, with the data elsewhere:", "runs repeat 3b9d --levels 0.5 --data ./data"),
        ),
    ),
    (
        "export",
        _export,
        "Write one study as one file, for another machine or an archive.",
        (
            ("Into this folder:", f"runs export {KEY}"),
            ("By a name of your own:", f"runs export {KEY} --out sst2.prunescope"),
        ),
    ),
    (
        "import",
        _import,
        "Take in a file that runs export wrote. It is checked before anything is written.",
        (
            ("Into the usual store:", "runs import sst2.prunescope"),
            ("Into another folder:", "runs import sst2.prunescope --cache ./results"),
        ),
    ),
    (
        "clean",
        clean,
        "Remove old entries of the user's folder, never pinned or bundled studies. Says what it "
        "would remove; --yes removes it.",
        (
            ("What was written a month ago or earlier:", "runs clean --older-than 30"),
            ("The oldest, until 2 GB are left:", "runs clean --total 2G --yes"),
        ),
    ),
    (
        "pin",
        pin,
        "Keep a study from being cleaned or removed.",
        (
            ("By the first digits of its key:", "runs pin 3b9d"),
            ("In another folder:", "runs pin 3b9d --cache ./results"),
        ),
    ),
    (
        "unpin",
        unpin,
        "Let a pinned study be cleaned again.",
        (
            ("By the first digits of its key:", "runs unpin 3b9d"),
            ("In another folder:", "runs unpin 3b9d --cache ./results"),
        ),
    ),
    (
        "remove",
        remove,
        "Remove one study of the user's folder.",
        (
            ("By the first digits of its key:", "runs remove 3b9d"),
            ("In another folder:", "runs remove 3b9d --cache ./results"),
        ),
    ),
    (
        "rebuild-index",
        rebuild,
        "Make the index anew from the files.",
        (
            ("Of the usual store:", "runs rebuild-index"),
            ("Of another folder:", "runs rebuild-index --cache ./results"),
        ),
    ),
)

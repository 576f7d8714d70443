"""`python -m engine runs …`: list, verify, repeat, move and clean up the studies of the store."""

import argparse
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import as_flags, levels_of
from prunescope.engine.errors import SettingError, StoreError
from prunescope.engine.formatting import format_bytes
from prunescope.engine.jobs.unfinished import Unfinished, unfinished
from prunescope.engine.paths import expanded
from prunescope.engine.reading.names import full_names
from prunescope.engine.store import Store, level_payload
from prunescope.engine.store.exchange import MOST_BYTES, export_study, import_study
from prunescope.engine.store.index import Index
from prunescope.engine.store.listing import StudyRow, study_rows
from prunescope.engine.store.maintenance import (
    clean_store,
    pin_study,
    remove_study,
    store_sizes,
    verify_store,
)

Answer = tuple[dict[str, Any], str]
DAY = 86400.0
CACHE = "the folder of stored results (default: cache/user)"
OTHERWISE = (
    "Another processor, number of threads or PyTorch rounds otherwise, and masks follow; "
    "how far, the table says."
)
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


Action = Callable[[str, Callable[..., Answer], str], argparse.ArgumentParser]


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `runs` and what it does."""
    runs = command(
        "runs", _list, "The studies in the store: list, show, verify, export, import, clean."
    )
    actions = runs.add_subparsers(metavar="ACTION")

    def action(name: str, run: Callable[..., Answer], about: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(name, help=about, description=about)
        parser.set_defaults(run=run)
        _common_options(parser)
        return parser

    runs.add_argument("--cache", metavar="DIR", help=CACHE)
    action("list", _list, "Every study of every layer, with its levels and its size.")
    _study_of(action("show", _show, "One study: what decided it, and every level."))
    action(
        "verify",
        _verify,
        "Read every entry and compare its checksums; what is damaged is set aside, and the exit "
        "code is 1.",
    )
    _add_repeat(action)
    export = action(
        "export", _export, "Write one study as one file, for another machine or an archive."
    )
    _study_of(export)
    export.add_argument(
        "--out", metavar="FILE", help="the file (default: KEY.prunescope in this folder)"
    )
    action(
        "import",
        _import,
        "Take in a file that runs export wrote; it is checked before anything is written.",
    ).add_argument("file", metavar="FILE")
    _add_clean(action)
    for name, about in (
        ("pin", "Keep a study from being cleaned or removed."),
        ("unpin", "Let it be cleaned again."),
        ("remove", "Remove one study of the user's folder."),
    ):
        _study_of(action(name, {"pin": _pin, "unpin": _unpin, "remove": _removed}[name], about))
    action("rebuild-index", _rebuild, "Make the index anew from the files.")


def _common_options(parser: argparse.ArgumentParser) -> None:
    """The options of `runs` again, for whoever writes them behind the action."""
    parser.add_argument("--cache", metavar="DIR", default=argparse.SUPPRESS, help=CACHE)
    for flag, about in (
        ("--json", "end stdout with one JSON object"),
        ("--quiet", "no progress on stderr"),
    ):
        parser.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=about)


def _add_repeat(action: Action) -> None:
    again = action(
        "repeat",
        _repeat,
        "Measure a study again from its model and texts, and compare. The exit code is 1 where "
        "the same machine gives other figures.",
    )
    _study_of(again)
    again.add_argument(
        "--data", metavar="D", help="its data, if it does not lie where the study found it"
    )
    again.add_argument(
        "--levels",
        type=levels_of,
        default=(),
        metavar="LIST",
        help="some of its levels (default: all)",
    )
    again.add_argument(
        "--resources",
        metavar="DIR",
        help="the attack's resources, if they do not lie where the study found them",
    )
    again.add_argument(
        "--device", default="auto", metavar="D", help="auto, cpu, or cuda (default: auto)"
    )


def _add_clean(action: Action) -> None:
    cleaning = action(
        "clean",
        _clean,
        "Remove old entries of the user's folder; never pinned or bundled studies. Says what it "
        "would remove; --yes removes it.",
    )
    cleaning.add_argument(
        "--older-than", type=float, metavar="DAYS", help="entries written longer ago"
    )
    cleaning.add_argument(
        "--total",
        type=_size,
        metavar="BYTES",
        help="then the oldest, until this is left, as in 500M or 2G",
    )
    cleaning.add_argument("--yes", action="store_true", help="do remove it")


def _study_of(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="KEY", help="the study's key, or its first digits")


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500M or 2G")
    return int(float(match[1]) * UNITS[match[2]])


def key_in(rows: list[str], start: str) -> str:
    """The one key with this beginning. Raises StoreError for none, or more than one."""
    matches = [key for key in rows if key.startswith(start)] if start else []
    if len(matches) != 1:
        raise StoreError(
            f"{len(matches) or 'No'} studies begin with {start[:64]!r}; `python -m engine runs "
            "list` shows them."
        )
    return matches[0]


def _key(options: argparse.Namespace, console: Console, store: Store) -> str:
    keys = [study.key for study in store.studies()]
    # the one that is wanted may have been set aside just now
    console.notices(store.notices, answered=False)
    store.notices.clear()
    return key_in(keys, options.study)


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
    study = store.study(_key(options, console, store))
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
    study = store.study(_key(options, console, store))
    if study is None:
        raise StoreError(
            f"The study {options.study[:12]} is damaged; `python -m engine runs verify` says more."
        )
    found = repeat_study(
        study,
        store,
        options.data,
        options.levels,
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


def _verify(options: argparse.Namespace, console: Console) -> Answer:
    store = Store(options.cache)
    whole, damaged = verify_store(store, console.report)
    console.notices(store.notices, answered=False)
    answer = {"whole": whole, "damaged": damaged, "notices": store.notices}
    options.code = 1 if damaged else 0
    return answer, f"{whole} entries are whole, {damaged} are not\n"


def _export(options: argparse.Namespace, console: Console) -> Answer:
    store = Store(options.cache)
    key = _key(options, console, store)
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


def _clean(options: argparse.Namespace, console: Console) -> Answer:
    if options.older_than is None and options.total is None:
        raise SettingError(
            "Nothing says what is to go; give --older-than DAYS, --total BYTES, or both."
        )
    if options.older_than is not None and not options.older_than >= 0:
        raise SettingError(f"--older-than is {options.older_than}; give days, 0 or more.")
    store = Store(options.cache)
    age = None if options.older_than is None else options.older_than * DAY
    gone = clean_store(store, age, options.total, dry=not options.yes, report=console.report)
    freed = sum(item.bytes for item in gone)
    lines = [f"{item.kind:<10}  {format_bytes(item.bytes):>9}  {item.name[:24]}\n" for item in gone]
    done = "removed" if options.yes else "would be removed; --yes removes them"
    answer = {
        "removed" if options.yes else "would_remove": [
            {**asdict(item), "path": str(item.path)} for item in gone
        ],
        "bytes": freed,
    }
    return answer, "".join(lines) + f"{len(gone)} entries, {format_bytes(freed)}, {done}\n"


def _pin(options: argparse.Namespace, console: Console) -> Answer:
    store = Store(options.cache)
    key = _key(options, console, store)
    pin_study(store, key)
    return {"key": key, "pinned": True}, f"{key[:12]} is pinned\n"


def _unpin(options: argparse.Namespace, console: Console) -> Answer:
    store = Store(options.cache)
    key = _key(options, console, store)
    pin_study(store, key, pinned=False)
    return {"key": key, "pinned": False}, f"{key[:12]} is no longer pinned\n"


def _removed(options: argparse.Namespace, console: Console) -> Answer:
    store = Store(options.cache)
    key = _key(options, console, store)
    remove_study(store, key)
    return {"key": key, "removed": True}, f"{key[:12]} is removed\n"


def _rebuild(options: argparse.Namespace, console: Console) -> Answer:
    store = Store(options.cache)
    Index(store.root).remove()
    rows = study_rows(store)
    console.notices(store.notices, answered=False)
    levels = sum(len(row.levels) for row in rows)
    return {
        "studies": len(rows),
        "levels": levels,
    }, f"{len(rows)} studies with {levels} levels are in the index\n"

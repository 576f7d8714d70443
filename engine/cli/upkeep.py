"""Upkeep of the store: `prunescope runs verify`, `clean`, `pin`, `remove`, `rebuild-index`."""

import argparse
import re
from dataclasses import asdict
from typing import Any

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import group_of
from prunescope.engine.cli.parser import CommandParser
from prunescope.engine.errors import SettingError, StoreError
from prunescope.engine.formatting import format_bytes
from prunescope.engine.store import Store
from prunescope.engine.store.index import Index
from prunescope.engine.store.listing import study_rows
from prunescope.engine.store.maintenance import (
    clean_store,
    pin_study,
    remove_study,
    verify_store,
)

Answer = tuple[dict[str, Any], str]
DAY = 86400.0
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def clean_options(parser: CommandParser) -> None:
    """Add what `runs clean` removes."""
    cleaning = group_of(parser, "what goes")
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
            f"{len(matches) or 'No'} studies begin with {start[:64]!r}; `prunescope runs "
            "list` shows them."
        )
    return matches[0]


def stored_key(options: argparse.Namespace, console: Console, store: Store) -> str:
    """The key of the study that the options name."""
    keys = [study.key for study in store.studies()]
    # the one that is wanted may have been set aside just now
    console.notices(store.notices, answered=False)
    store.notices.clear()
    return key_in(keys, options.study)


def verify(options: argparse.Namespace, console: Console) -> Answer:
    """`runs verify`."""
    store = Store(options.cache)
    whole, damaged = verify_store(store, console.report)
    console.notices(store.notices, answered=False)
    answer = {"whole": whole, "damaged": damaged, "notices": store.notices}
    options.code = 1 if damaged else 0
    return answer, f"{whole} entries are whole, {damaged} are not\n"


def clean(options: argparse.Namespace, console: Console) -> Answer:
    """`runs clean`."""
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


def pin(options: argparse.Namespace, console: Console) -> Answer:
    """`runs pin`."""
    store = Store(options.cache)
    key = stored_key(options, console, store)
    pin_study(store, key)
    return {"key": key, "pinned": True}, f"{key[:12]} is pinned\n"


def unpin(options: argparse.Namespace, console: Console) -> Answer:
    """`runs unpin`."""
    store = Store(options.cache)
    key = stored_key(options, console, store)
    pin_study(store, key, pinned=False)
    return {"key": key, "pinned": False}, f"{key[:12]} is no longer pinned\n"


def remove(options: argparse.Namespace, console: Console) -> Answer:
    """`runs remove`."""
    store = Store(options.cache)
    key = stored_key(options, console, store)
    remove_study(store, key)
    return {"key": key, "removed": True}, f"{key[:12]} is removed\n"


def rebuild(options: argparse.Namespace, console: Console) -> Answer:
    """`runs rebuild-index`."""
    store = Store(options.cache)
    Index(store.root).remove()
    rows = study_rows(store)
    console.notices(store.notices, answered=False)
    levels = sum(len(row.levels) for row in rows)
    return {
        "studies": len(rows),
        "levels": levels,
    }, f"{len(rows)} studies with {levels} levels are in the index\n"

"""Sizes, pins, removal, clean-up and verification of what the store holds."""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prunescope.engine.errors import SettingError, StoreError
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.store.atomic import UNFINISHED, cannot_write, write_atomic
from prunescope.engine.store.index import NAME
from prunescope.engine.store.layers import KEY, Store
from prunescope.engine.store.listing import PIN

EXPORTS = "exports"  # the folder of models written for download
MEASUREMENTS = "measurements"  # of what the pruner measures once
REPEATED = "repeated"  # of studies that are measured again, until all of it is
KINDS = (
    "studies",
    "victims",
    MEASUREMENTS,
    "texts",
    "members",
    "subnetworks",
    "alternatives",
    "latency",
    "damaged",
    "jobs",
    "locks",
    "uploads",
    REPEATED,
    EXPORTS,
)
LITTER_AFTER = 3600.0  # seconds after which an unfinished file belongs to nobody any more
REMOVING = ".removing-"  # before the name of a folder on its way out
AHEAD = 3600.0  # seconds that an entry may lie in the future before the clock is not believed


@dataclass(frozen=True, slots=True)
class CleanupItem:
    """Something that clean-up may remove."""

    kind: str  # "study", "victim", "measured", "texts", "damaged", "export", "unfinished"
    name: str
    path: Path
    bytes: int
    modified: float


def store_sizes(store: Store) -> dict[str, int]:
    """Bytes of the user's folder by kind, `index` and `total` among them."""
    sizes = {kind: _bytes(store.root / kind) for kind in KINDS}
    sizes["index"] = sum(
        path.stat().st_size for path in store.root.glob(f"{NAME}*") if path.is_file()
    )
    return {**sizes, "total": sum(sizes.values())}


def _bytes(folder: Path) -> int:
    return sum(size for _, size, _ in _stats(folder))


def _stats(folder: Path) -> Iterator[tuple[Path, int, float]]:
    """(path, bytes, when written) of every file below a folder; what vanishes meanwhile is passed
    over.
    """
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with contextlib.suppress(FileNotFoundError):
                at = path.lstat()
                yield path, at.st_size, at.st_mtime


def pin_study(store: Store, key: str, pinned: bool = True) -> None:
    """Keep a study of the user's folder from clean-up and removal, or no longer."""
    folder = _own(store, key)
    if pinned:
        write_atomic(folder / PIN, b"")
    else:
        (folder / PIN).unlink(missing_ok=True)


def remove_study(store: Store, key: str) -> None:
    """Remove a study from the user's folder. Raises StoreError for one that is bundled, shared,
    pinned, being measured or not there.
    """
    folder = _own(store, key)
    if (folder / PIN).is_file():
        raise StoreError(
            f"The study {key[:12]} is pinned; unpin it first: prunescope runs unpin {key[:12]}"
        )
    if store.is_used(key):
        raise StoreError(
            f"The study {key[:12]} is being measured; stop that first: `prunescope jobs "
            "list` shows the jobs."
        )
    _remove_with_times(store, folder)


def _remove_with_times(store: Store, folder: Path) -> None:
    """A study, and the times of its levels on this machine."""
    _remove(folder)
    if (times := store.root / "latency" / folder.name).is_dir():
        _remove(times)


def _own(store: Store, key: str) -> Path:
    folder = store.root / "studies" / key
    if not KEY.fullmatch(key) or not folder.is_dir():
        where = (
            "bundled or shared, and stays"
            if KEY.fullmatch(key) and store.study(key)
            else f"not in {store.root}"
        )
        raise StoreError(
            f"The study {key[:12]} is {where}; `prunescope runs list` shows what is there."
        )
    return folder


def _remove(path: Path) -> None:
    """Hide a file or folder from readers at once, then remove its bytes."""
    try:
        going = path.with_name(f"{REMOVING}{secrets.token_hex(8)}")
        os.replace(path, going)
        if going.is_dir():
            shutil.rmtree(going)
        else:
            going.unlink()
    except OSError as error:
        raise cannot_write(path.parent, error) from error


def clean_store(
    store: Store,
    older_than: float | None = None,
    total: int | None = None,
    dry: bool = False,
    report: Progress = SILENT,
) -> list[CleanupItem]:
    """Remove what was written more than `older_than` seconds ago, then the oldest until the user's
    folder holds at most `total` bytes: what can be made again at once (pruned victims,
    measurements, texts, exports, damaged entries) before studies.

    Never a pinned or bundled study, nor one that is being measured, nor a trained member.
    Unfinished files that nobody writes any more go in any case. Returns what was removed, or with
    `dry` what would be. Raises SettingError where the clock cannot be right.
    """
    now = time.time()
    items = list(_items(store, now))
    newest = max((item.modified for item in items), default=0.0)
    if older_than is not None and newest > now + AHEAD:
        raise SettingError(
            f"The clock says {_day(now)}, but entries were written on {_day(newest)}; set the "
            "clock, or clean by `total`."
        )
    going = [
        item
        for item in items
        if item.kind == "unfinished"
        or (older_than is not None and now - item.modified > older_than)
    ]
    if total is not None:
        left = store_sizes(store)["total"] - sum(item.bytes for item in going)
        for item in sorted(items, key=lambda item: (item.kind == "study", item.modified)):
            if left > total and item not in going:
                going.append(item)
                left -= item.bytes
    for done, item in enumerate(going if not dry else ()):
        report("clean", done, len(going))
        if item.kind == "study":
            _remove_with_times(store, item.path)
        else:
            _remove(item.path)
    return going


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))


def _items(store: Store, now: float) -> Iterator[CleanupItem]:
    for folder in sorted((store.root / "studies").glob("*")):
        if (
            KEY.fullmatch(folder.name)
            and not store.root.is_relative_to(store.bundled)
            and not ((folder / PIN).is_file() or store.is_used(folder.name))
        ):
            files = list(_stats(folder))
            written = max((at for *_, at in files), default=now)
            yield CleanupItem(
                "study", folder.name, folder, sum(size for _, size, _ in files), written
            )
    for kind, name in (
        ("victim", "victims"),
        ("measured", MEASUREMENTS),
        ("texts", "texts"),
        ("damaged", "damaged"),
        ("export", EXPORTS),
    ):
        for path, size, modified in sorted(_stats(store.root / name)):
            if not path.name.startswith("."):
                yield CleanupItem(kind, path.name, path, size, modified)
    for path in (
        *store.root.glob("*/.*"),
        *store.root.glob("studies/*/.*"),
        *store.root.glob(".*"),
    ):
        if (
            path.name.startswith((UNFINISHED, REMOVING))
            and abs(now - path.stat().st_mtime) > LITTER_AFTER
        ):
            yield CleanupItem(
                "unfinished",
                path.name,
                path,
                _bytes(path) or path.stat().st_size,
                path.stat().st_mtime,
            )


def verify_store(store: Store, report: Progress = SILENT) -> tuple[int, int]:
    """Read every entry of every layer from its file: (whole, damaged). Damage is set aside and
    named in the notices.
    """
    files = [
        path for layer in store.layers for path in sorted((layer / "studies").glob("*/*.json"))
    ]
    whole, before = 0, len(store.notices)
    for done, path in enumerate(files):
        report("verify", done, len(files))
        if path.name == "study.json":
            whole += store.head(path) is not None
        elif (study := store.study_head(path.parent.name)) is not None:
            whole += store.level_at(path, study.identity) is not None
        else:
            store.notices.append(
                f"The level {path} belongs to no study that can be read; it is left as it is."
            )
    report("verify", len(files), len(files))
    return whole, len(store.notices) - before

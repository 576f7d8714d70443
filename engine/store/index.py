"""The index: what a list of studies shows, in SQLite, so that a list need not read every file.

It is only an index. Every file is looked at again, and one whose size, times or inode differ from
what the index has seen is read and verified anew. The index can be removed at any time; where it
cannot be kept, the list is made without it.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.engine.records import TIMED, LevelResult

NAME = "index.sqlite"
VERSION = 2
WAIT = 1.0  # seconds that a writer waits for another one
Status = tuple[int, int, int, int]  # size, two times and inode of a file
# An entry's summary, or None for a damaged entry.
Read = Callable[[Path], dict[str, Any] | None]

TABLE = """create table if not exists entries (
    layer text, study text, name text, size integer, modified integer, changed integer,
    inode integer, summary text, primary key (layer, study, name)) without rowid"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a study: where it is, how large, when written (s since 1970), and its summary."""

    study: str
    name: str
    size: int
    modified: float
    summary: dict[str, Any]


def level_summary(level: LevelResult) -> dict[str, Any]:
    """What lists and estimates need to know of a level."""
    rates = {
        name: rate.value if (rate := getattr(level, name)) else None
        for name in ("acc", "aua", "asr")
    }
    seconds = {name: level.seconds[name] for name in TIMED if name in level.seconds}
    return {"sparsity": level.sparsity, "achieved": level.achieved, **rates, "seconds": seconds}


class Index:
    """The index of one store. It lives in the user's folder and covers all layers."""

    def __init__(self, root: Path) -> None:
        self.path = root / NAME

    def entries(self, layer: Path, read: Read) -> list[Entry]:
        """Every whole entry of every study of a layer, from the index where the file is as it was
        seen.
        """
        files = {
            (study, name): (status, path) for study, name, status, path in _files(layer / "studies")
        }
        indexed = self._known(layer)
        new: dict[tuple[str, str], dict[str, Any]] = {}
        entries = []
        for (study, name), (status, path) in files.items():
            summary = (
                indexed[study, name][1]
                if indexed.get((study, name), (None,))[0] == status
                else None
            )
            if summary is None and (summary := read(path)) is not None:
                new[study, name] = summary
            if summary is not None:
                entries.append(Entry(study, name, status[0], status[1] / 1e9, summary))
        removed = [pair for pair in indexed if pair not in files]
        if new or removed:
            self._keep(
                layer, {pair: (files[pair][0], summary) for pair, summary in new.items()}, removed
            )
        return entries

    def remove(self) -> None:
        """Forget everything; the next list is made from the files."""
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self.path.with_name(NAME + end).unlink()

    def _known(self, layer: Path) -> dict[tuple[str, str], tuple[Status, dict[str, Any]]]:
        try:
            with self._open() as database:
                columns = "study, name, size, modified, changed, inode, summary"
                rows = database.execute(
                    f"select {columns} from entries where layer = ?", (str(layer),)
                )
                return {(row[0], row[1]): (row[2:6], json.loads(row[6])) for row in rows}
        except (sqlite3.Error, ValueError, OSError) as error:
            if not isinstance(error, sqlite3.OperationalError):
                self.remove()  # not merely busy or read-only: it is no database any more
            return {}

    def _keep(
        self,
        layer: Path,
        new: dict[tuple[str, str], tuple[Status, dict[str, Any]]],
        removed: list[tuple[str, str]],
    ) -> None:
        rows = [
            (str(layer), study, name, *status, json.dumps(summary))
            for (study, name), (status, summary) in new.items()
        ]
        # A store that cannot be written, or a writer that keeps it too long: the list is right all
        # the same.
        with (
            contextlib.suppress(sqlite3.Error, OSError),
            self._open(write=True) as database,
            database,
        ):
            database.executemany(
                "insert or replace into entries values (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            database.executemany(
                "delete from entries where layer = ? and study = ? and name = ?",
                [(str(layer), *pair) for pair in removed],
            )

    @contextlib.contextmanager
    def _open(self, write: bool = False) -> Iterator[sqlite3.Connection]:
        if write:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        elif not self.path.is_file():
            raise FileNotFoundError(self.path)
        with contextlib.closing(sqlite3.connect(self.path, timeout=WAIT)) as database:
            if write:
                database.execute("pragma journal_mode = wal")
                database.execute("pragma synchronous = normal")
                if database.execute("pragma user_version").fetchone()[0] != VERSION:
                    database.execute("drop table if exists entries")
                    database.execute(f"pragma user_version = {VERSION}")
                database.execute(TABLE)
            elif database.execute("pragma user_version").fetchone()[0] != VERSION:
                raise FileNotFoundError(self.path)  # of another version of this program: made anew
            yield database


def _files(folder: Path) -> Iterator[tuple[str, str, Status, Path]]:
    """(study, file name, what is seen of it, path) of every entry below a folder of studies."""
    if not folder.is_dir():
        return
    for study in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not study.name.startswith(".") and study.is_dir():
            for file in os.scandir(study.path):
                if file.name.endswith(".json") and not file.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):  # moved or removed meanwhile
                        at = file.stat()
                        yield (
                            study.name,
                            file.name,
                            (at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino),
                            Path(file.path),
                        )

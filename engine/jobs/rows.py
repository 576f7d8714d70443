"""Jobs as rows in SQLite. Every change of state names the state it starts from, so that two who act
at once cannot both win.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from prunescope.engine.errors import StoreError
from prunescope.engine.progress import ProgressState
from prunescope.engine.store.atomic import cannot_write

VERSION = 1
WAIT = 5.0  # seconds that one waits for another's change
ACTIVE = ("queued", "running")
ENDED = ("done", "failed", "cancelled", "interrupted")

TABLE = """create table if not exists jobs (
    id text primary key, do text, title text, arguments text, slot text, state text,
    stage text default '', done integer default 0, total integer default 0, remaining real,
    expected real, created real, started real, ended real, reason text default '', study text,
    sweep text default '', pid integer, born text, holder integer, holder_born text, ticket text,
    heard real, memory integer default 0, cancelled real, tries integer default 0, folder text,
    environment text)"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job, as it is kept."""

    id: str
    do: str  # "study"; "elsewhere" for one that another machine does
    title: str
    arguments: dict[str, Any]
    slot: str  # the device that it takes: "cpu", "cuda:0", …
    state: str  # queued, running, done, failed, cancelled, interrupted
    stage: str
    done: int
    total: int
    remaining: float | None  # seconds, by its own pace
    expected: float | None  # seconds in all, by like studies, when it was asked for
    created: float  # s since 1970, for people; nothing is decided by it
    started: float | None
    ended: float | None
    reason: str
    study: str | None  # the key of its study, once that is known
    sweep: str
    pid: int | None
    born: str | None
    holder: int | None  # the supervisor that started it, until the worker has told its own number
    holder_born: str | None
    ticket: str | None  # of this try; a worker with another one has lost the job
    heard: float | None  # monotonic clock
    memory: int
    cancelled: float | None  # when cancelling began, monotonic clock
    tries: int
    folder: str
    environment: dict[str, str]

    @property
    def active(self) -> bool:
        """Whether it is queued or running."""
        return self.state in ACTIVE

    @property
    def progress(self) -> ProgressState:
        """How far it is, in the same record as a live job's."""
        if self.state == "done":
            return ProgressState(self.stage, 1, 1)
        return ProgressState(self.stage, self.done, self.total, self.remaining)

    @property
    def share(self) -> float:
        """How much is done, in [0, 1]."""
        return self.progress.share


COLUMNS = tuple(field.name for field in fields(JobRow))
AS_JSON = ("arguments", "environment")


class JobTable:
    """The table of one user's folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "jobs"
        self.path = self.folder / "jobs.sqlite"

    @contextlib.contextmanager
    def open(self, write: bool = True) -> Iterator[sqlite3.Connection]:
        """A connection, within one transaction where it writes. Raises StoreError where the folder
        cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(
                sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
            ) as database:
                self._prepare(database)
                database.execute("begin immediate" if write else "begin")
                try:
                    yield database
                except BaseException:
                    database.execute("rollback")
                    raise
                database.execute("commit")
        except sqlite3.OperationalError as error:  # disk full, read-only, locked for too long
            raise StoreError(
                f"The list of jobs at {self.path} cannot be written ({error}); nothing stored "
                "before is lost. Make room, or name a writable folder with `cache` or "
                "PRUNESCOPE_CACHE."
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"The list of jobs was damaged ({error}) and was set aside as {self._set_aside()}; "
                "studies are not affected. Do it again."
            ) from error
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    def _prepare(self, database: sqlite3.Connection) -> None:
        version = database.execute("pragma user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(
                f"{self.path} has schema {version}, this version reads {VERSION}; update "
                "PruneScope to open it."
            )
        if version < VERSION:
            database.execute("pragma journal_mode = wal")
            database.execute(TABLE)
            database.execute(f"pragma user_version = {VERSION}")
        database.execute("pragma synchronous = normal")

    def _set_aside(self) -> str:
        aside = self.path.with_name(f"damaged-{time.time_ns()}.sqlite")
        with contextlib.suppress(FileNotFoundError):  # someone else was quicker
            os.replace(self.path, aside)
        for end in ("-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        return aside.name

    def read(self, where: str = "1", *values: object) -> list[JobRow]:
        """The rows that satisfy `where`, in the order of their submission."""
        if not self.path.is_file():
            return []
        with self.open(write=False) as database:
            rows = database.execute(
                f"select {', '.join(COLUMNS)} from jobs where {where} order by rowid", values
            ).fetchall()
        return [_row(values) for values in rows]

    def add(self, unless: Callable[[JobRow], bool] = lambda row: False, **values: Any) -> str:
        """Insert one row, columns that are not given being empty, unless an active row is the same;
        the id of the one that is there. Look and insertion are one transaction, so no other process
        comes between.
        """
        columns = {
            name: json.dumps(value) if name in AS_JSON else value for name, value in values.items()
        }
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        with self.open() as database:
            active = database.execute(
                f"select {', '.join(COLUMNS)} from jobs where state in (?, ?) order by rowid",
                ACTIVE,
            )
            if same := next((row for row in map(_row, active.fetchall()) if unless(row)), None):
                return same.id
            database.execute(
                f"insert into jobs ({names}) values ({marks})", tuple(columns.values())
            )
        return str(values["id"])

    def change(self, job: str, where: str, *arguments: object, **values: Any) -> bool:
        """Set columns of a job where `where` still holds; whether it did."""
        sets = ", ".join(f"{name} = ?" for name in values)
        with self.open() as database:
            done = database.execute(
                f"update jobs set {sets} where id = ? and ({where})",
                (*values.values(), job, *arguments),
            )
            return done.rowcount == 1

    def remove(self, job: str) -> bool:
        """Drop a row that is not active; whether there was one."""
        with self.open() as database:
            return (
                database.execute(
                    "delete from jobs where id = ? and state not in (?, ?)", (job, *ACTIVE)
                ).rowcount
                == 1
            )

    def log(self, job: str) -> Path:
        """Where a job's output goes."""
        return self.folder / f"{job}.log"


def _row(values: tuple[Any, ...]) -> JobRow:
    columns = dict(zip(COLUMNS, values, strict=True))
    return JobRow(**{**columns, **{name: json.loads(columns[name] or "{}") for name in AS_JSON}})

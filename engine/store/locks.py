"""Locks between processes. They belong to the operating system, so a process that dies frees what
it held.
"""

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prunescope.engine.errors import StoreError
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.store.atomic import cannot_write

EVERY = 0.1  # seconds between two looks at a lock that another process holds

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def hold_lock(path: Path, report: Progress = SILENT) -> Iterator[None]:
    """Hold the lock `path`; while another process (or thread) holds it, wait and say so,
    cancellable through `report`.

    Raises StoreError where there can be no lock file.
    """
    while (descriptor := try_lock(path)) is None:
        report("wait for another process that computes the same", 0, 1)
        time.sleep(EVERY)
    try:
        yield
    finally:
        release_lock(path, descriptor)


@contextmanager
def mark_in_use(folder: Path, key: str) -> Iterator[None]:
    """Say that this process works on what has this key; any number of processes may. Not where
    nothing can be written.
    """
    path = folder / f"{key}.{secrets.token_hex(8)}.use"
    try:
        descriptor = try_lock(path)
    except StoreError:  # a read-only folder, of which nobody can remove anything either
        descriptor = None
    try:
        yield
    finally:
        if descriptor is not None:
            release_lock(path, descriptor)


def is_in_use(folder: Path, key: str) -> bool:
    """Whether some process works on what has this key."""
    for path in folder.glob(f"{key}.*.use"):
        if (descriptor := try_lock(path)) is None:
            return True
        release_lock(path, descriptor)  # of a process that died
    return False


def try_lock(path: Path) -> int | None:
    """The descriptor that holds the lock, or None where someone else holds it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                _lock(descriptor)
                if _still_named(path, descriptor):
                    return descriptor
            except (BlockingIOError, PermissionError):  # the two ways systems say that it is taken
                os.close(descriptor)
                return None
            os.close(
                descriptor
            )  # whoever held it has removed the file since; there may be a new one
    except OSError as error:
        raise cannot_write(path.parent, error) from error


def release_lock(path: Path, descriptor: int) -> None:
    """Let go of a lock and remove its file, so that locks leave nothing behind."""
    if os.name == "nt":  # an open file cannot be removed there
        os.close(descriptor)
    with contextlib.suppress(OSError):
        path.unlink()
    if os.name != "nt":
        os.close(descriptor)


def _still_named(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False

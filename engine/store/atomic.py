"""Files and folders that are whole or absent: the one way in which the engine writes them.

The content goes to a work file or folder beside its target, which takes the target's name when the
block ends well and is removed when it does not. Everything is flushed to the disk before it takes
its name, and so is the name itself: after a kill, a full disk or a power cut the target is either
what it was before or what it was meant to become.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from prunescope.engine.errors import StoreError
from prunescope.engine.paths import expanded

UNFINISHED = ".writing-"  # before the name of what is being written


def cannot_write(folder: Path, error: OSError | SafetensorError) -> StoreError:
    """The error for a cache that cannot be written."""
    return StoreError(
        f"The cache cannot be written at {folder} ({_reason(error)}); nothing stored before is "
        "lost. Make room, or name a writable folder with `cache` or PRUNESCOPE_CACHE."
    )


def _cannot_write_file(path: Path, error: OSError | SafetensorError) -> StoreError:
    return StoreError(
        f"{path} cannot be written ({_reason(error)}); what was there before is unharmed. Make "
        "room, or name another folder with `out`."
    )


def _reason(error: OSError | SafetensorError) -> str:
    """What went wrong; safetensors has an error of its own for a full disk."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file of the cache. Raises StoreError where it cannot be written."""
    with atomic_cache_file(path) as work:
        work.write_bytes(content)


@contextmanager
def atomic_cache_file(path: Path) -> Iterator[Path]:
    """The work file of a file of the cache; any number of processes may write it at once.

    Raises StoreError where it cannot be written.
    """

    def explain(target: Path, error: OSError | SafetensorError) -> StoreError:
        return cannot_write(target.parent, error)

    work = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    with _renamed(work, path, explain):
        yield work


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """The work file to write; for one writer at a time.

    Raises StoreError when it cannot be written; what was there before is then as it was.
    """
    # One name, so that the next writer overwrites what a kill left behind.
    work = path.with_name(f"{UNFINISHED}{path.name}")
    with _renamed(work, path, _cannot_write_file):
        yield work


@contextmanager
def _renamed(
    work: Path, path: Path, explain: Callable[[Path, OSError | SafetensorError], StoreError]
) -> Iterator[None]:
    """Give the work file that the block writes its name."""
    try:
        make_folder(path.parent)
        yield
        _flush_file(work)
        _rename(work, path)
    except (OSError, SafetensorError) as error:
        raise explain(path, error) from error
    finally:  # a signal too must not leave half a file
        with contextlib.suppress(OSError):
            work.unlink(missing_ok=True)


def new_folder(folder: Path | str) -> Path:
    """The path of a folder that can be written: checked before long work, not after it.

    Raises StoreError when something is there already, or when it cannot be made.
    """
    target = expanded(folder)
    if target.exists() and any(target.iterdir() if target.is_dir() else [target]):
        raise StoreError(
            f"{target} is there already; name another folder with `out`, or remove it."
        )
    existing = next(
        parent for parent in (target.absolute(), *target.absolute().parents) if parent.exists()
    )
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        problem = "is no folder to write in" if existing.is_dir() else "is a file"
        raise StoreError(
            f"{target} cannot be written ({existing} {problem}); name another folder with `out`."
        )
    if target.exists() and target.samefile(Path.cwd()):
        raise StoreError(
            f"{target} is the folder you are in; name one that is not there yet with `out`."
        )
    return target


@contextmanager
def atomic_folder(folder: Path | str) -> Iterator[Path]:
    """The work folder to fill.

    Raises StoreError when the target is there already or cannot be written.
    """
    target = new_folder(folder)
    try:
        make_folder(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".exporting-") as name:
            work = Path(name)
            yield work
            _set_usual_permissions(work)
            for path in [*work.rglob("*"), work]:
                (_flush_folder if path.is_dir() else _flush_file)(path)
            if target.is_dir():
                target.rmdir()
            _rename(work, target)
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{target} cannot be written ({_reason(error)}); name another folder with `out`."
        ) from error


def _set_usual_permissions(folder: Path) -> None:
    """Give a folder and its files the permissions of anything newly written; temporary ones are for
    their owner alone.
    """
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each of which survives a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        with _flushed(folder.parent):
            folder.mkdir(exist_ok=True)


def _flush_file(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _rename(work: Path, target: Path) -> None:
    """Give what was written its name; nothing is renamed where that cannot be flushed."""
    with _flushed(target.parent):
        os.replace(work, target)


def _flush_folder(path: Path) -> None:
    with _flushed(path):
        pass


@contextmanager
def _flushed(folder: Path) -> Iterator[None]:
    """Make a folder's names survive a power cut after the block; Windows has no such call."""
    if os.name == "nt":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

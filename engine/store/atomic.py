"""Folders that a command writes: whole or not at all, and never over something that is there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from prunescope.engine.errors import StoreError
from prunescope.engine.paths import expanded


def new_folder(folder: Path | str) -> Path:
    """The folder as a path. Raises StoreError when something is there already, or it cannot be
    made: before long work, not after it.
    """
    target = expanded(folder)
    if target.exists() and any(target.iterdir() if target.is_dir() else [target]):
        raise StoreError(
            f"{target} is there already; name another folder with --out, or remove it."
        )
    there = next(
        parent for parent in (target.absolute(), *target.absolute().parents) if parent.exists()
    )
    if not there.is_dir() or not os.access(there, os.W_OK):
        why = f"{there} is no folder to write in" if there.is_dir() else f"{there} is a file"
        raise StoreError(f"{target} cannot be written ({why}); name another folder with --out.")
    if target.exists() and target.samefile(Path.cwd()):
        raise StoreError(
            f"{target} is the folder you are in; name one that is not there yet with --out."
        )
    return target


@contextmanager
def atomic_folder(folder: Path | str) -> Iterator[Path]:
    """A work folder beside the target that takes its name when the block ends well, and is removed
    when it does not.

    Raises StoreError when the target is there already or cannot be written.
    """
    target = new_folder(folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".exporting-") as work:
            yield Path(work)
            _as_usual(Path(work))
            if target.is_dir():
                target.rmdir()
            os.replace(work, target)
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{target} cannot be written ({_reason(error)}); name another folder with --out."
        ) from error


def _reason(error: OSError | SafetensorError) -> str:
    """safetensors has an error of its own for a full disk."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _as_usual(folder: Path) -> None:
    """Give a folder and its files the permissions of anything newly written; temporary ones are for
    their owner alone.
    """
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A work file beside the target that takes its name when the block ends well, and is removed
    when it does not.

    Raises StoreError when it cannot be written; what was there before is then as it was.
    """
    work = path.with_name(
        f".writing-{path.name}"
    )  # one name, so that what a kill left behind is written over
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield work
        with work.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(work, path)
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{path} cannot be written ({_reason(error)}); what was there before is unharmed. Make "
            "room, or name "
            "another folder with --out."
        ) from error
    finally:
        work.unlink(missing_ok=True)

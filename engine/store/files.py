"""Files that are whole or absent, and the one JSON text of a value."""

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from prunescope.engine.errors import StoreError

UNFINISHED = ".writing-"  # before the name of a file that is being written


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def key_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or absent, also after a power cut. Raises StoreError where
    it cannot be written.
    """
    work = path.parent / f"{UNFINISHED}{secrets.token_hex(8)}"
    try:
        _make(path.parent)
        descriptor = os.open(
            work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666
        )  # readable for whom the umask lets read
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(work, path)
        flush_folder(path.parent)
    except BaseException as error:  # a signal too must not leave half a file
        with contextlib.suppress(OSError):
            work.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise cannot_write(path.parent, error) from error


def cannot_write(folder: Path, error: OSError) -> StoreError:
    """What a person is told where the store cannot be written."""
    return StoreError(
        f"The cache cannot be written at {folder} ({error.strerror or error}); nothing stored "
        "before is lost. "
        "Make room, or name a writable folder with --cache or PRUNESCOPE_CACHE."
    )


def flush_folder(folder: Path) -> None:
    """Make a folder's names survive a power cut; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(folder: Path) -> None:
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        flush_folder(folder.parent)

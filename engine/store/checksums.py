"""SHA-256 of values, bytes and files. Light to import; tensors are in `checksummed`."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def key_of(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON."""
    return sha256_of(canonical(value))


def sha256_of(content: bytes | str) -> str:
    """SHA-256 (hex) of bytes, or of a text in UTF-8."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached_file_sha256(path: Path) -> str:
    """`file_sha256` for a file that is asked about often: it is read again only when its size,
    time or inode has changed.
    """
    status = path.stat()
    return _cached(path.absolute(), status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=4096)
def _cached(path: Path, _size: int, _time: int, _inode: int) -> str:
    return file_sha256(path)

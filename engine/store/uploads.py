"""Files that were uploaded through the page, each whole and under its checksum, so that a study on
one can resume and a link finds it again.

    uploads/<SHA-256>/<name>     one file a folder, and one more for each other suffix it came with
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from prunescope.engine.errors import StoreError
from prunescope.engine.store.atomic import cannot_write, write_atomic
from prunescope.engine.store.checksums import cached_file_sha256, sha256_of
from prunescope.engine.store.layers import KEY, Store

FOLDER = "uploads"
SHOWN = 12  # digits of a checksum in an address
_UNUSUAL = re.compile(r"[^\w.\-]+")
MOST_NAME = 80  # characters of a stored name, with its suffix


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file in the user's folder."""

    digest: str
    path: Path
    bytes: int

    @property
    def name(self) -> str:
        """What the file is called."""
        return self.path.name


def keep_upload(store: Store, name: str, content: bytes) -> Upload:
    """Write an uploaded file, unless it is there already. One that comes again with another suffix,
    which says how it is read, is kept under that name too. Raises StoreError where it cannot be
    written.
    """
    digest = sha256_of(content)
    there, suffix = find_upload(store, digest), Path(safe_name(name)).suffix.lower()
    if there is not None and there.path.suffix.lower() == suffix:
        return there
    path = _folder(store) / digest / safe_name(name)
    write_atomic(path, content)
    return Upload(digest, path, len(content))


def safe_name(name: str) -> str:
    """The name of an uploaded file as a name on this machine: no folders, no odd characters, and
    not too long.
    """
    base = _UNUSUAL.sub("-", name.replace("\\", "/").rpartition("/")[2]).strip(".-") or "data"
    stem, suffix = Path(base).stem, Path(base).suffix[:20]
    return f"{stem[: MOST_NAME - len(suffix)]}{suffix}"


def find_upload(store: Store, digits: str) -> Upload | None:
    """An uploaded file by its checksum or the first digits, by the name it came with last; None
    where there is none.

    A file that does not match its checksum is set aside, and the store's notices say so.
    """
    if not re.fullmatch("[0-9a-f]{8,64}", digits):
        return None
    for folder in sorted(_folder(store).glob(f"{digits}*")):
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if not KEY.fullmatch(folder.name) or not files:
            continue
        if (upload := _whole(store, max(files, key=_time), folder.name)) is not None:
            return upload
    return None


def _time(path: Path) -> int:
    return path.stat().st_mtime_ns


def _whole(store: Store, path: Path, digest: str) -> Upload | None:
    """The file at a path, unless it is damaged; then its folder is set aside, which is said."""
    if cached_file_sha256(path) == digest:
        return Upload(digest, path, path.stat().st_size)
    store.notices.append(
        f"The uploaded file {path.name} does not match its checksum and was set aside as "
        f"{_set_aside(store, path.parent)}; upload it again."
    )
    return None


def upload_at(store: Store, path: str) -> Upload | None:
    """The uploaded file at a path, where the path is one of these."""
    file = Path(path)
    if file.parent.parent != _folder(store) or not KEY.fullmatch(file.parent.name):
        return None
    return _whole(store, file, file.parent.name) if file.is_file() else None


def remove_upload(store: Store, upload: Upload) -> None:
    """Remove an uploaded file; studies on it keep their figures. Raises StoreError."""
    try:
        shutil.rmtree(upload.path.parent)
    except OSError as error:
        raise cannot_write(upload.path.parent, error) from error


def _folder(store: Store) -> Path:
    return Path(os.path.abspath(store.root)) / FOLDER


def _set_aside(store: Store, folder: Path) -> str:
    target = store.root / "damaged" / f"{FOLDER}-{folder.name[:SHOWN]}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(folder, target)
    except OSError as error:
        raise StoreError(
            f"{folder} is damaged and cannot be set aside ({error.strerror})."
        ) from error
    return target.name

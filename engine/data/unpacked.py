"""The content of a data file: packed files are unpacked; what is no data is named and refused."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from prunescope.engine.data.stand_ins import stand_in
from prunescope.engine.errors import DataError

PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_LARGEST = 4 << 30  # bytes: what a packed file may unpack to
_TABLE = "save the rows as CSV, JSON lines or Parquet and name that"
# First bytes → what such a file is, and what to do.
_OTHERS = (
    (rb"\xd0\xcf\x11\xe0", "an old Excel or Word file", _TABLE),
    (rb"SQLite format 3\0", "an SQLite database", _TABLE),
    (rb"%PDF-\d", "a PDF document", _TABLE),
    (rb"\x80[\x02-\x05]", "a pickle, which is never opened since it can run programs", _TABLE),
    (rb"\x89HDF", "an HDF5 file", _TABLE),
    (rb"\x93NUMPY", "a NumPy array", _TABLE),
    (rb"\x89PNG|GIF8[79]a|\xff\xd8\xff", "an image", _TABLE),
    (rb"FEA1[^ -~]", "a Feather file of version 1", "write it again as version 2"),
    (rb"PARE[^ -~]", "an encrypted Parquet file", "write it without encryption"),
    (rb"Obj\x01", "an Avro file", _TABLE),
    (rb"ORC[^ -~]", "an ORC file", _TABLE),
    (rb"Rar!\x1a|7z\xbc\xaf|[\s\S]{257}ustar", "an archive", "unpack it and name one file"),
)
_PATTERNS = [(re.compile(start), kind, remedy) for start, kind, remedy in _OTHERS]
_HEAD = 300  # bytes that are enough to know any of these


def contents(path: Path) -> tuple[bytes, str]:
    """The bytes of a file after unpacking, and the name that says what they are.

    Raises DataError where it is missing, unreadable, damaged or something else than data.
    """
    # What is called packed may be plain: programs that fetch files unpack some of them.
    name = path.name.removesuffix(path.suffix) if path.suffix.lower() in PACKED else path.name
    data = _bytes(path)
    if kind := _packing(data):
        member, data = _unpack(data, kind, str(path))
        name = member or name
        if _packing(data):
            raise DataError(f"{path} is packed twice; unpack it once.")
    _refuse_others(data, path)
    return data, name


def refuse_known(path: Path) -> None:
    """Raises DataError that says what a file is, where its first bytes tell that it is no data."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable.") from error
    if head.startswith(b"PK\x03\x04"):
        contents(path)
    _refuse_others(head, path)


def _refuse_others(data: bytes, path: Path) -> None:
    if problem := stand_in(data):
        raise DataError(f"{path} is {problem}.")
    for start, kind, remedy in _PATTERNS:
        if start.match(data):
            raise DataError(f"{path} is {kind}; {remedy}.")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}; check the spelling.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable.") from error


def _packing(data: bytes) -> str | None:
    known = (
        (rb"\x1f\x8b", "gzip"),
        (rb"BZh[1-9]1AY&SY", "bzip2"),
        (rb"\xfd7zXZ\0", "xz"),
        (rb"\x28\xb5\x2f\xfd", "zstd"),
        (rb"PK\x03\x04", "zip"),
    )
    return next((kind for start, kind in known if re.match(start, data)), None)


def _unpack(data: bytes, kind: str, where: str) -> tuple[str | None, bytes]:
    """The name inside, of a zip archive, and the bytes."""
    if kind == "zip":
        return _zip(data, where)
    if kind == "zstd":
        return None, _read(pa.CompressedInputStream(pa.BufferReader(data), "zstd"), where, kind)
    file = io.BytesIO(data)
    if kind == "gzip":
        return None, _read(gzip.GzipFile(fileobj=file), where, kind)
    return None, _read(bz2.BZ2File(file) if kind == "bzip2" else lzma.LZMAFile(file), where, kind)


def _zip(data: bytes, where: str) -> tuple[str, bytes]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise _damaged(where, "zip", error) from error
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]
    names = {member.filename for member in members}
    if any(inside.startswith("xl/") for inside in names):
        raise DataError(
            f"{where} is an Excel workbook; save its sheet as CSV (UTF-8) and name that."
        )
    if (
        "mimetype" in names
        or "content.xml" in names
        or any(inside.startswith("Index/") for inside in names)
    ):
        raise DataError(
            f"{where} is a spreadsheet or document; save the sheet as CSV (UTF-8) and name that."
        )
    if len(members) != 1:
        raise DataError(
            f"{where} is a zip archive of {len(members)} files; unpack it and name one file, or "
            "the folder."
        )
    if members[0].flag_bits & 1:
        raise DataError(f"{where} is a zip archive with a password; unpack it and name the file.")
    try:
        return Path(members[0].filename).name, _read(archive.open(members[0]), where, "zip")
    except (NotImplementedError, zipfile.BadZipFile) as error:
        raise _damaged(where, "zip", error) from error


def _read(stream: object, where: str, kind: str) -> bytes:
    source = cast(IO[bytes], stream)
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := source.read(1 << 24):
            pieces.append(piece)
            if (size := size + len(piece)) > _LARGEST:
                raise DataError(
                    f"{where} unpacks to more than {_LARGEST >> 30} GiB; name a smaller file."
                )
    except (
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        pa.ArrowException,
    ) as error:
        raise _damaged(where, kind, error) from error
    return b"".join(pieces)


def _damaged(where: str, kind: str, error: Exception) -> DataError:
    return DataError(
        f"{where} is packed as {kind} and damaged or cut off ({error}); fetch it again."
    )

"""Read one TSV, CSV, JSON-lines or Parquet file into a pandas frame of plain Python values.

Delimited files are read strictly: every row must be as wide as the header, and no cell is turned into a
number or a missing value, because "NA", "null" and "nan" are ordinary words.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.data.columns import Table
from engine.errors import DataError

csv.field_size_limit(1 << 30)  # characters: a text may be a book, and the default of 131,072 is a chapter
_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")


def read_file(path: Path) -> pd.DataFrame:
    """The rows of one file; a row's number is its position from 1, header and blank lines not counted.

    Raises DataError for a missing, unreadable, empty, damaged or non-UTF-8 file and for an unknown suffix.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} has the suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}.")
    data = _contents(path)
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(f"{path} is empty; name a file with rows.")
    frame = reader(data, str(path))
    if frame.empty:
        raise DataError(f"{path} has no rows; name a file with at least one row.")
    return frame


def read_table(path: Path) -> Table:
    """`read_file` with what messages call it, and the class names that its schema says."""
    return Table(str(path), read_file(path))


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}; check the spelling.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable.") from error


def _decode(data: bytes, where: str) -> str:
    body = data.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        offset = error.start + len(data) - len(body)
        raise DataError(
            f"{where} is not UTF-8: line {line} has the byte 0x{body[error.start]:02x} at offset {offset}; "
            "save the file as UTF-8."
        ) from error


def _read_tsv(data: bytes, where: str) -> pd.DataFrame:
    text = io.StringIO(_decode(data, where), newline="")
    return _delimited(csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True), where)


def _read_csv(data: bytes, where: str) -> pd.DataFrame:
    text = _decode(data, where)
    first = text.lstrip().partition("\n")[0]  # spreadsheets of many countries part cells by semicolons and call it CSV
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    return _delimited(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), where)


def _delimited(reader: Any, where: str) -> pd.DataFrame:
    # csv.reader returns a type that has no public name before Python 3.12, hence Any.
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"Line {reader.line_num} of {where} is damaged ({error}); correct it.") from error
    header = rows[0][1]
    _check_header(header, where)
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise DataError(
                f"Line {line} of {where} has {len(row)} fields where the header has {len(header)}; "
                "correct that line."
            )
    return pd.DataFrame([row for _, row in rows[1:]], columns=header, dtype=object)


def _check_header(header: list[str], where: str) -> None:
    for cell in header:
        if _NUMBER.fullmatch(cell):
            raise DataError(
                f"{where} has no header row: its first line holds the number {cell!r}; "
                "put a first line with column names, such as text and label."
            )
    _check_unique(header, where)


def _check_unique(names: list[str], where: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{where} has two columns called {repeated[0][:40]!r}; rename one of them.")


def _read_json_lines(data: bytes, where: str) -> pd.DataFrame:
    # Only "\n" ends a line: JSON strings may hold the other characters that str.splitlines() breaks at.
    lines = enumerate(_decode(data, where).split("\n"), start=1)
    rows = [_json_object(line, number, where) for number, line in lines if line.strip()]
    return pd.DataFrame(rows, dtype=object)


def _json_object(line: str, number: int, where: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"Line {number} of {where} is not JSON ({error}); write one object a line."
        ) from error
    if not isinstance(value, dict):
        raise DataError(
            f"Line {number} of {where} holds a {type(value).__name__}, not an object; "
            "write one object a line."
        )
    return value


def _read_parquet(data: bytes, where: str) -> pd.DataFrame:
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
        _check_unique(table.column_names, where)
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where} is not a readable Parquet file ({error}); write it again.") from error
    return pd.DataFrame(columns, dtype=object)


_READERS: dict[str, Callable[[bytes, str], pd.DataFrame]] = {
    ".tsv": _read_tsv,
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json_lines,
    ".parquet": _read_parquet,
}
SUFFIXES = tuple(_READERS)

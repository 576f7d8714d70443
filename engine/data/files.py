"""Read one file of rows into a table of plain Python values, as its name and its content say.

No cell of a text file becomes a number or a missing value, since "NA", "null" and "nan" are
ordinary words. Where name and content disagree, the file is refused and both are said.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import pandas as pd

from prunescope.engine.data.columnar import read_arrow, read_parquet
from prunescope.engine.data.columns import Table
from prunescope.engine.data.delimited import read_delimited
from prunescope.engine.data.json_tables import read_json
from prunescope.engine.data.unpacked import PACKED, contents, refuse_known
from prunescope.engine.errors import DataError

_COLUMNAR: dict[str, Callable[[bytes, str], Table]] = {"Parquet": read_parquet, "Arrow": read_arrow}
_KINDS = {  # suffix → what such a file holds
    ".tsv": "delimited",
    ".csv": "delimited",
    ".jsonl": "JSON",
    ".ndjson": "JSON",
    ".json": "JSON",
    ".parquet": "Parquet",
    ".txt": "delimited",
    ".tab": "delimited",
    ".arrow": "Arrow",
    ".feather": "Arrow",
}
SUFFIXES = tuple(_KINDS)
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def is_data_name(name: str) -> bool:
    """Whether a file of this name is one that can be read, packed or not."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in SUFFIXES


def stem_of(path: Path) -> str:
    """The name without what `is_data_name` knows, in lower case: train for Train.csv.gz."""
    name = path.name.lower()
    for suffix in (*PACKED, *SUFFIXES):
        name = name.removesuffix(suffix) if Path(name).suffix == suffix else name
    return name


def read_file(path: Path, several: bool = False) -> pd.DataFrame:
    """The rows of one file; `several` as `json_tables.read_json` says. Raises as `read_table`."""
    return _read(path, several).frame


def read_table(path: Path, several: bool = False) -> Table:
    """The rows of one file, what messages call it, and the class names that its schema says.

    A row's number is its position from 1; header and blank lines do not count. Raises DataError for
    a file that is missing, unreadable, empty or damaged, in another encoding than UTF-8 or UTF-16
    with its mark, of an unknown suffix, or whose suffix and content disagree.
    """
    return _read(path, several)


def read_tables(paths: Sequence[Path]) -> Table:
    """The rows of several files, the shards of one split, in order.

    Raises as `read_table`, and where columns or class names of two shards differ.
    """
    tables = [read_table(path) for path in paths]
    first = tables[0]
    if len(tables) == 1:
        return first
    for table in tables[1:]:
        if set(table.names()) != set(first.names()):
            different = sorted(set(table.names()) ^ set(first.names()))[0]
            raise DataError(
                f"{first.where} and {table.where} are shards of one split, and only one has the "
                f"column {different[:40]!r}; write them again."
            )
        if dict(table.class_names) != dict(first.class_names):
            raise DataError(
                f"{first.where} and {table.where} are shards of one split and name their classes "
                "differently; write them again."
            )
    where = f"{first.where} and the {len(tables) - 1} shards after it"
    parts = tuple((table.where, len(table.frame)) for table in tables)
    return Table(
        where,
        pd.concat([table.frame for table in tables], ignore_index=True),
        first.class_names,
        parts,
    )


def _read(path: Path, several: bool) -> Table:
    where = str(path)
    data, name = contents(path) if is_data_name(path.name) else _refused(path)
    suffix = Path(name).suffix.lower()
    if suffix not in _KINDS:
        raise DataError(
            f"{where} holds a file with the suffix {suffix!r}; use one of {', '.join(SUFFIXES)}."
        )
    if not data.strip() or data in _MARKS:
        raise DataError(f"{where} is empty; name a file with rows.")
    kind = _KINDS[suffix]
    _check_kind(data, kind, suffix, where)
    if kind in _COLUMNAR:
        table = _COLUMNAR[kind](data, where)
    else:
        table = Table(where, _text_table(decoded(data, where), kind, suffix, where, several))
    if not len(table.frame):
        raise DataError(f"{where} has no rows; name a file with at least one row.")
    return table


def _refused(path: Path) -> NoReturn:
    """Refuse a file with another suffix, and say what it is where its first bytes tell."""
    if path.is_file():
        refuse_known(path)
    suffix = "".join(path.suffixes[-2:]) if path.suffix.lower() in PACKED else path.suffix
    raise DataError(
        f"{path} has the suffix {suffix!r}; use one of {', '.join(SUFFIXES)}, "
        f"or one of these packed as {', '.join(PACKED)}."
    )


def _text_table(text: str, kind: str, suffix: str, where: str, several: bool) -> pd.DataFrame:
    if not text.strip():
        raise DataError(f"{where} is empty; name a file with rows.")
    looks_like_json = re.match(r'\s*(\{\s*"|\{\s*\}|\[\s*[\[{"\]])', text) is not None
    if kind == "JSON":
        if not text.lstrip().startswith(("{", "[")):
            raise DataError(
                f"{where} is not JSON: line 1 is {_first_line(text)!r}; if it is delimited, end "
                "its name in .csv or .tsv."
            )
        return read_json(text, where, several)
    if looks_like_json and _first_line(text, 1 << 20).rstrip().endswith(("}", "[", "{", "]", ",")):
        raise DataError(
            f"{where} holds JSON, although its name ends in {suffix}; end its name in .json or "
            ".jsonl."
        )
    return read_delimited(text, where, tabs_first=suffix != ".csv")


def _first_line(text: str, most: int = 60) -> str:
    return text.strip()[:most].splitlines()[0]


def _check_kind(data: bytes, kind: str, suffix: str, where: str) -> None:
    """Refuse columnar files under other names, and text under theirs."""
    starts = {b"PAR1": "Parquet", b"ARROW1\0\0": "Arrow", b"\xff\xff\xff\xff": "Arrow"}
    actual = next((kind for start, kind in starts.items() if data.startswith(start)), None)
    if actual == "Parquet" and kind != actual and not data.endswith(b"PAR1"):
        actual = None  # a text may begin so
    if actual is not None and actual != kind:
        raise DataError(
            f"{where} holds {actual} data, although its name ends in {suffix}; end its name in "
            f".{actual.lower()}."
        )
    if actual is None and kind in _COLUMNAR:
        raise DataError(
            f"{where} is not a readable {kind} file: it begins with {data[:20]!r}; write it again, "
            "or give it its own suffix if it is text."
        )


def decoded(data: bytes, where: str) -> str:
    """The text of a file in UTF-8, or in the encoding that its byte-order mark says. Raises
    DataError.
    """
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    body = data.removeprefix(codecs.BOM_UTF8)
    encoding = _MARKS.get(mark, "utf-8")
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            _undecodable(body, len(data) - len(body), encoding, error, where)
        ) from error
    if "\0" in text:
        if text[:200].count("\0") > len(text[:200]) // 4:
            raise DataError(
                f"{where} seems to be UTF-16 without its byte-order mark; save it as UTF-8."
            )
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"Line {line} of {where} has a NUL character, so it may be damaged; take it out."
        )
    return text


def _undecodable(
    body: bytes, skipped: int, encoding: str, error: UnicodeDecodeError, where: str
) -> str:
    if encoding != "utf-8":
        return (
            f"{where} begins as {encoding.upper()} and is damaged ({error.reason}); save it as "
            "UTF-8."
        )
    if error.reason == "unexpected end of data":
        return (
            f"{where} ends in the middle of a character, so it is cut off; fetch or write it again."
        )
    byte = body[error.start : error.start + 1]
    line = body.count(b"\n", 0, error.start) + 1
    hint = ""
    if body[:200].count(b"\0") > len(body[:200]) // 4:
        hint = " It seems to be UTF-16 without its byte-order mark."
    else:
        try:
            body.decode("cp1252")
            hint = (
                f" It may be Windows-1252 (Latin-1), where this byte is {byte.decode('cp1252')!r}."
            )
        except UnicodeDecodeError:
            pass
    return (
        f"{where} is not UTF-8: line {line} has the byte 0x{byte.hex()} at offset "
        f"{error.start + skipped}; save the file as UTF-8.{hint}"
    )

r"""Tables of text whose cells are parted by tabs, commas, semicolons or bars.

Nothing in such a file says how it was written, so the file decides. Three dialects are tried:

    plain      every line is a row and a quote is part of its text, as in GLUE's TSV
    quoted     a cell between quotes may hold delimiters and line ends, and a quote twice means one
    escaped    as quoted, but a backslash before a quote, backslash or delimiter means that sign

A file is quoted, or escaped, only where that holds for every quote in it. One stray quote disproves
it, and then a tab-separated file is plain. Where two dialects are right for every line and give
other rows, the file is refused: rows are never merged or split on a guess.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from prunescope.engine.data.columns import LABEL_NAMES
from prunescope.engine.errors import DataError

csv.field_size_limit(1 << 30)  # characters: a text may be a book, the default is a chapter
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")
_LINE_END = re.compile("\r\n|\r|\n")
# Excel's own first line.
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])(?:\r\n|\r|\n)", re.IGNORECASE)
_MARK = "\0"  # stands for a quoted cell; a text with this sign is refused before


@dataclass(frozen=True, slots=True)
class _Reading:
    """The rows of one dialect, header first, each with the line it ends on; or what is wrong."""

    rows: Sequence[tuple[int, list[str]]]
    fault: str | None = None

    @property
    def is_table(self) -> bool:
        """Whether every row is as wide as the header, and that is more than one cell."""
        return self.fault is None and len(self.rows[0][1]) > 1


def read_delimited(text: str, where: str, tabs_first: bool) -> pd.DataFrame:
    """The rows of a file, cells as strings. `tabs_first` says that its name promises tabs.

    Raises DataError for a row of another width than the header, a damaged quote, a header of
    numbers or with a name twice, and a file that can be read in two ways.
    """
    reading = _choose(text, where, tabs_first)
    if reading.fault:
        raise DataError(reading.fault)
    header = reading.rows[0][1]
    _check_header(header, where)
    return pd.DataFrame([row for _, row in reading.rows[1:]], columns=header, dtype=object)


def _choose(text: str, where: str, tabs_first: bool) -> _Reading:
    """The reading under the one delimiter that parts every line into as many cells."""
    if separator := _SEPARATOR_LINE.match(text):
        return _read_with(text[separator.end() :], separator[1], where, first_line=2)
    header = _LINE_END.split(text.lstrip("\r\n"), 1)[0]
    bare = re.sub(r'"[^"]*"', "", header)
    delimiters = [mark for mark in _DELIMITERS if mark in bare]
    if (tabs_first and "\t" in delimiters) or not delimiters:
        return _read_with(text, "\t" if tabs_first else ",", where)
    readings = {mark: _read_with(text, mark, where) for mark in delimiters}
    tables = [mark for mark in delimiters if readings[mark].is_table]
    if len(tables) > 1:
        labelled = [mark for mark in tables if _has_label(readings[mark].rows[0][1])]
        if len(labelled) != 1:
            marks = " and by ".join(_DELIMITERS[mark] for mark in tables)
            return _Reading(
                [],
                f"{where} is a table when it is parted by {marks} alike; save it as TSV or JSON "
                "lines.",
            )
        tables = labelled
    return readings[(tables or delimiters)[0]]


def _has_label(header: Sequence[str]) -> bool:
    return any(cell.strip().lower() in LABEL_NAMES for cell in header)


def _read_with(text: str, delimiter: str, where: str, first_line: int = 1) -> _Reading:
    """The reading in the dialect that holds for the whole file."""
    tabs = delimiter == "\t"
    plain = _read(text, where, delimiter, first_line, quoting=csv.QUOTE_NONE)
    if stray := _stray_return(text, where, first_line):
        plain = _Reading([], stray)
    if '"' not in text and (plain.fault is None or "\\" not in text):
        return plain
    for escaped in (False, True):
        if _has_lone_quote(text, delimiter, escaped):
            continue
        cells, rest = _quoted_cells(text, delimiter, escaped)
        if '"' in rest or _stray_return(rest, where, first_line):
            continue
        content = _single_escapes(text, delimiter) if escaped else text
        reading = _read(content, where, delimiter, first_line, escapechar="\\" if escaped else None)
        if reading.fault:
            continue
        if plain.fault is None and tabs and not _is_explained(cells, rest, delimiter):
            continue
        if (line := _row_inside(reading, text, delimiter, first_line)) is not None:
            return _Reading([], _two_ways(line, where))
        return reading
    return plain if tabs or stray or '"' not in text else _read(text, where, delimiter, first_line)


def _read(text: str, where: str, delimiter: str, first_line: int, **dialect: object) -> _Reading:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, **dialect)  # type: ignore[arg-type]
    try:
        # Rows of blank cells only are blank lines, which spreadsheets add at the end.
        rows = [
            (reader.line_num, row)
            for row in reader
            if row and (row[0].strip() or "".join(row).strip())
        ]
    except csv.Error as error:
        line = reader.line_num + first_line - 1
        return _Reading([], f"Line {line} of {where} is damaged ({error}); correct it.")
    if first_line > 1:
        rows = [(line + first_line - 1, row) for line, row in rows]
    return _without_empty_columns(rows or [(first_line, [""])], where)


def _stray_return(text: str, where: str, first_line: int) -> str | None:
    """The fault where a carriage return stands inside a line, which a reader takes for its end."""
    if "\r" not in text or "\n" not in text or (stray := re.search(r"\r(?!\n)", text)) is None:
        return None
    line = text.count("\n", 0, stray.start()) + first_line
    return (
        f"Line {line} of {where} has a carriage return inside; put the text in quotes, or take "
        "the sign out."
    )


def _without_empty_columns(rows: list[tuple[int, list[str]]], where: str) -> _Reading:
    """The rows without the empty columns that spreadsheets add at the end."""
    header = rows[0][1]
    width = len(header)
    while (
        width > 1
        and not header[width - 1].strip()
        and not any(_cell(row, width - 1) for _, row in rows)
    ):
        width -= 1
    if width == len(header) and all(len(row) == width for _, row in rows):
        return _Reading(rows)
    for line, row in rows:
        if len(row) < width or any(row[width:]):
            fault = (
                f"Line {line} of {where} has {len(row)} fields where the header has {width}; "
                "correct that line."
            )
            return _Reading([], fault)
    return _Reading([(line, row[:width]) for line, row in rows])


def _cell(row: Sequence[str], column: int) -> str:
    return row[column].strip() if column < len(row) else ""


def _has_lone_quote(text: str, delimiter: str, escaped: bool) -> bool:
    """Whether a quote stands inside a word, which disproves the dialect; and is found sooner than
    the cells.
    """
    after = re.escape(delimiter) + '\r\n"'
    before = after + r"\\" if escaped else after
    return re.search(f'"(?<=[^{before}]")(?=[^{after}])', text) is not None


def _quoted_cells(text: str, delimiter: str, escaped: bool) -> tuple[list[str], str]:
    """The quoted cells, and the text with a mark for each of them.

    A quote that is left in this text disproves the dialect.
    """
    body = r'(?:[^"\\]|\\[\s\S]|"")*+' if escaped else r'[^"]*+(?:""[^"]*+)*+'
    edge = rf"[{re.escape(delimiter)}\r\n]"
    pattern = re.compile(rf'"(?:(?<={edge}")|(?<=\A")){body}"(?={edge}|\Z)')
    rest = pattern.sub(_MARK, text)
    if escaped:
        rest = re.sub(r"\\[^\r]", "", rest)
    return pattern.findall(text) if '"' not in rest else [], rest


def _single_escapes(text: str, delimiter: str) -> str:
    r"""The text with a second backslash where one escapes nothing, as in AC\DC, so it stays."""
    signs = '"\\\n' + delimiter
    return re.sub(
        r"\\([\s\S])", lambda match: match[0] if match[1] in signs else "\\" + match[0], text
    )


def _is_explained(cells: Sequence[str], rest: str, delimiter: str) -> bool:
    """Whether a program that writes quotes would have put them round these cells and no others.

    It quotes the cells that need it, or whole columns. A lone text in quotes is one that somebody
    said. Excel also quotes every cell with a comma, but so are texts that were cut out of a CSV
    file, such as those of TextFooler's AG News set, whose quotes went into the published figures.
    """
    signs = ('"', delimiter, "\r", "\n")
    unexplained = {
        number for number, cell in enumerate(cells) if not any(sign in cell[1:-1] for sign in signs)
    }
    if not unexplained:
        return True
    lines = [line.split(delimiter) for line in _LINE_END.split(rest) if line]
    numbers: dict[int, list[int]] = {}
    number = 0
    for line in lines:
        for column, cell in enumerate(line):
            if cell == _MARK:
                numbers.setdefault(column, []).append(number)
                number += 1
    for column, quoted in numbers.items():
        in_header = column < len(lines[0]) and lines[0][column] == _MARK
        if in_header or len(quoted) == len(lines) - 1 > 1:
            unexplained -= set(quoted)
    return not unexplained


def _row_inside(reading: _Reading, text: str, delimiter: str, first_line: int) -> int | None:
    """The first of two lines, each a whole row itself, that the reading joins to one row.

    Of the lines of one quoted text, the first or the last may be as wide as the table, for what
    stands beside the text. Two such lines are rows, unless the text itself has tabs. It may well
    have commas, so there the lines must also have a number where the table has them, as it has for
    labels.
    """
    header, *rows = reading.rows
    width = len(header[1])
    numeric = [
        column
        for column in range(width)
        if rows and all(_NUMBER.fullmatch(row[column]) for _, row in rows)
    ]
    lines = _LINE_END.split(text)
    start = header[0]
    for end, _ in rows:
        whole = [
            number
            for number in range(start + 1, end + 1)
            if len(cells := lines[number - first_line].split(delimiter)) == width
            and (delimiter == "\t" or any(_NUMBER.fullmatch(cells[column]) for column in numeric))
        ]
        if len(whole) > 1:
            return whole[0]
        start = end
    return None


def _two_ways(line: int, where: str) -> str:
    return (
        f"{where} can be read in two ways: line {line} is a row of its own, or part of a quoted "
        "text of several lines; take the line ends out of the texts, or save it as JSON lines."
    )


def _check_header(header: list[str], where: str) -> None:
    for cell in header:
        if _NUMBER.fullmatch(cell):
            raise DataError(
                f"{where} has no header row: its first line holds the number {cell!r}; "
                "put a first line with column names, such as text and label."
            )
    check_unique(header, where)


def check_unique(names: Sequence[str], where: str) -> None:
    """Raises DataError for a column name that comes twice."""
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise DataError(f"{where} has two columns called {repeated[0][:40]!r}; rename one of them.")

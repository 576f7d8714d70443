"""Tables in JSON: an object a line, a list of rows, or columns, as people and pandas write them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from prunescope.engine.data.columns import LABEL_NAMES
from prunescope.engine.errors import DataError

ROWS = ("data", "rows", "examples")  # where an object with a heading keeps its rows
TASK = "task"  # the column that says from which list of a file a row is
_LINE_WANTED = "write one object a line, or a list of objects"


def read_json(text: str, where: str, several: bool = False) -> pd.DataFrame:
    """The rows of a file, values as they are.

    With `several`, a file of several lists of rows, such as AdvGLUE's, gives all of them, and the
    column "task" has the name of each row's list. Raises DataError for what is no table.
    """
    first, _, more = text.strip().partition("\n")
    if more.strip() and isinstance(_value(first), list | dict):
        return _frame(_lines(text, where), where)
    try:
        document = _parse(text)
    except _TwiceError as error:
        raise DataError(f"{where} {error}; rename one of them.") from error
    except json.JSONDecodeError as error:
        if not first.lstrip().startswith("[") and first.strip() != "{":
            return _frame(_lines(text, where), where)  # which says in what line it is damaged
        reason = f"Line {error.lineno} of {where} is not JSON ({error.msg}); {_LINE_WANTED}."
        raise DataError(reason) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{where} is not JSON that can be read ({error}); {_LINE_WANTED}."
        ) from error
    if isinstance(document, list):
        return _frame(document, where)
    if not isinstance(document, dict):
        raise DataError(f"{where} holds a {type(document).__name__}, not rows; {_LINE_WANTED}.")
    return _of_object(document, where, several)


def _value(line: str) -> Any:
    """The value of a line; None where it is not one."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


class _TwiceError(ValueError):
    pass


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _TwiceError(f"has two values called {twice[:40]!r} in one object")
    return value


def _parse(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_distinct)


def _lines(text: str, where: str) -> list[Any]:
    # Only "\n" ends a line: strings may hold the other characters that str.splitlines() breaks at.
    lines = enumerate(text.split("\n"), start=1)
    return [_json_line(line, number, where) for number, line in lines if line.strip()]


def _json_line(line: str, number: int, where: str) -> dict[str, Any]:
    try:
        value = _parse(line)
    except _TwiceError as error:
        raise DataError(f"Line {number} of {where} {error}; rename one of them.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"Line {number} of {where} is not JSON ({error}); {_LINE_WANTED}."
        ) from error
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise DataError(f"Line {number} of {where} holds a {kind}, not an object; {_LINE_WANTED}.")
    return value


def _frame(rows: Sequence[Any], where: str) -> pd.DataFrame:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            kind = type(row).__name__
            raise DataError(
                f"Row {number} of {where} is a {kind}, not an object; write a list of objects."
            )
    frame = pd.DataFrame(list(rows), dtype=object)
    _check_flat(frame, where)
    return frame


def _check_flat(frame: pd.DataFrame, where: str) -> None:
    """Refuse rows that hold rows, such as SQuAD's, whose upper level has nothing to read."""
    if any(str(name).strip().lower() in LABEL_NAMES for name in frame.columns):
        return
    nested = [str(name) for name in frame.columns if len(frame) and all(map(_is_rows, frame[name]))]
    if nested:
        raise DataError(
            f"{where} has rows inside its rows, under {nested[0][:40]!r}; write one flat object "
            "for each text and its label."
        )


def _of_object(document: Mapping[str, Any], where: str, several: bool) -> pd.DataFrame:
    values = list(document.values())
    if {"columns", "data"} <= set(document) <= {"columns", "index", "data"}:
        return _split(document, where)
    for key in ROWS:
        if _is_rows(document.get(key)) and not all(map(_is_rows, values)):
            return _frame(document[key], where)
    if values and all(map(_is_rows, values)):
        return _tasks(document, where, several)
    if values and all(isinstance(value, list) for value in values):
        return _columns(document, where)
    if values and all(isinstance(value, dict) for value in values):
        return _indexed(document, where)
    if any(isinstance(value, list | dict) for value in values) and not _is_row(document):
        raise DataError(
            f"{where} is an object with {_listed(document)}, of which none is a list of rows; "
            f"{_LINE_WANTED}."
        )
    return _frame([document], where)


def _is_row(document: Mapping[str, Any]) -> bool:
    return any(name.strip().lower() in LABEL_NAMES for name in document)


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _split(document: Mapping[str, Any], where: str) -> pd.DataFrame:
    """Column names and rows apart, as pandas writes them with orient="split"."""
    names, rows = document["columns"], document["data"]
    if not isinstance(names, list) or not isinstance(rows, list):
        raise DataError(f"{where} has columns and data that are no lists; {_LINE_WANTED}.")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != len(names):
            raise DataError(
                f"Row {number} of {where} has not one value for each of its {len(names)} columns; "
                "correct it."
            )
    return _frame([dict(zip(map(str, names), row, strict=True)) for row in rows], where)


def _columns(document: Mapping[str, list[Any]], where: str) -> pd.DataFrame:
    lengths = {name: len(values) for name, values in document.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(
            f"{name[:40]!r} has {length}" for name, length in list(lengths.items())[:6]
        )
        raise DataError(
            f"The columns of {where} have other numbers of rows ({listed}); complete them."
        )
    return pd.DataFrame(dict(document), dtype=object)


def _indexed(document: Mapping[str, dict[str, Any]], where: str) -> pd.DataFrame:
    """Columns by row number, as pandas writes them by default, or rows by number."""
    inner = [name for value in document.values() for name in value]
    outer_numbers, inner_numbers = (all(map(str.isdecimal, names)) for names in (document, inner))
    if outer_numbers == inner_numbers:
        raise DataError(
            f"{where} is an object of objects, and neither level is numbered as rows are; "
            f"{_LINE_WANTED}."
        )
    if outer_numbers:
        return _frame(list(document.values()), where)
    index = list(next(iter(document.values())))
    for name, values in document.items():
        if set(values) != set(index):
            raise DataError(
                f"The column {name[:40]!r} of {where} has other rows than the first column; "
                "complete it."
            )
    columns = {name: [values[row] for row in index] for name, values in document.items()}
    return pd.DataFrame(columns, dtype=object)


def _tasks(document: Mapping[str, list[Any]], where: str, several: bool) -> pd.DataFrame:
    if len(document) == 1:
        return _frame(next(iter(document.values())), where)
    if not several:
        raise DataError(
            f"{where} holds several lists of rows: {_listed(document)}; save one of them as a file "
            "and name that, or choose one with `task` where the file is a set of adversarial texts."
        )
    return pd.DataFrame(
        [{**row, TASK: name} for name, rows in document.items() for row in rows], dtype=object
    )


def _listed(document: Mapping[str, Any]) -> str:
    names = [repr(name[:40]) for name in document]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")

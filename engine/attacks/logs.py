"""Logs of attacks: TextAttack's CSV in and out, and JSON.

The CSV has TextAttack's nine columns and a tenth, `prunescope`, with the rest of the record. Its
scores are 1 − p(true label), the score of TextAttack's goal for classifiers. Reading a log gives
back exactly the examples that were written.
"""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prunescope.engine.attacks.csv_log import Texts, from_cells, restored, to_cells
from prunescope.engine.attacks.metrics import OUTCOMES
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.attacks.word_diff import words_changed, words_of_all
from prunescope.engine.data.files import read_file
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.paths import expanded
from prunescope.engine.records import AttackRecord
from prunescope.engine.store import write_atomic

COLUMNS = (
    "original_text",
    "perturbed_text",
    "original_score",
    "perturbed_score",
    "original_output",
    "perturbed_output",
    "ground_truth_output",
    "num_queries",
    "result_type",
)
TYPES = {
    "skipped": "Skipped",
    "broken": "Successful",
    "held": "Failed",
    "exhausted": "Failed",
    "error": "Error",
}
_OUTCOMES = {"Skipped": "skipped", "Successful": "broken", "Failed": "held", "Error": "error"}
OWN = "prunescope"
Row = dict[str, Any]


def check_log_name(name: str | Path) -> Path:
    """The path of a log to write. Raises SettingError unless it ends in .csv or .json."""
    path = expanded(name)
    if path.suffix.lower() not in (".csv", ".json"):
        raise SettingError(
            f"The log {name} has the suffix {path.suffix!r}; end its name in .csv (as TextAttack) "
            "or .json."
        )
    return path


def write_log(path: str | Path, texts: Sequence[AttackText]) -> Path:
    """Write attacked examples as CSV or JSON, whole or not at all. Raises SettingError or
    StoreError.
    """
    target = check_log_name(path)
    write_atomic(
        target, (_csv(texts) if target.suffix.lower() == ".csv" else _json(texts)).encode("utf-8")
    )
    return target


def read_log(path: str | Path) -> tuple[AttackText, ...]:
    """The examples of a log: .json as written here, or TextAttack's columns in a CSV, TSV or
    Parquet file.

    A row of TextAttack becomes the example of its number, from 0; "Failed" becomes "held", because
    TextAttack does not tell what ran out of its budget. Raises DataError, with the row, for
    anything that is no log of attacks on a classifier.
    """
    source = expanded(path)
    if source.suffix.lower() == ".json":
        return _from_json(source)
    return read_rows(read_file(source).to_dict("records"), str(source))


def read_rows(rows: Sequence[Row], where: str) -> tuple[AttackText, ...]:
    """The examples of rows with TextAttack's columns. Raises DataError."""
    missing = [name for name in COLUMNS if rows and name not in rows[0]]
    if missing:
        raise DataError(
            f"{where} has no column {missing[0]!r}, it has {', '.join(map(str, rows[0]))}; "
            f"TextAttack's CSV log has {', '.join(COLUMNS)}."
        )
    return tuple(
        _example(row, number, f"Row {number + 1} of {where}") for number, row in enumerate(rows)
    )


# Writing


def _csv(texts: Sequence[AttackText]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow((*COLUMNS, OWN))
    for text in texts:
        writer.writerow(_cells(text))
    return file.getvalue()


def _cells(text: AttackText) -> tuple[Any, ...]:
    record, exact = text.record, ((text.original, text.pair), (text.perturbed, text.perturbed_pair))
    cells = to_cells(*exact)
    own: Row = {"record": asdict(record), "truth_perturbed": text.truth_perturbed}
    if from_cells(*map(restored, cells)) != exact:
        own["texts"] = exact
    scores = [
        None if share is None else round(1 - share, 9)
        for share in (record.truth_before, text.truth_perturbed)
    ]
    return (
        *cells,
        *scores,
        text.label_before,
        text.label_after,
        text.truth,
        record.queries,
        TYPES[record.outcome],
        json.dumps(own, sort_keys=True),
    )


def _json(texts: Sequence[AttackText]) -> str:
    return "[\n" + ",\n".join(json.dumps(asdict(text), sort_keys=True) for text in texts) + "\n]\n"


# Reading


def _from_json(path: Path) -> tuple[AttackText, ...]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"The log {path} cannot be read ({error.strerror}); check the path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"The log {path} is not JSON ({error}); write it again.") from error
    if not isinstance(rows, list):
        raise DataError(
            f"The log {path} holds a {type(rows).__name__}, not a list of attacked examples; write "
            "it again."
        )
    return tuple(
        _checked(row, f"Row {number} of {path}") for number, row in enumerate(rows, start=1)
    )


def _checked(value: Any, where: str) -> AttackText:
    try:
        text = AttackText.from_json(value)
        if text.record.outcome in OUTCOMES:
            return text
        raise ValueError(f"{text.record.outcome!r} is no outcome")
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(
            f"{where} is no attacked example ({error}); write the log again."
        ) from error


def _example(row: Row, number: int, where: str) -> AttackText:
    kind = row["result_type"]
    if kind not in _OUTCOMES:
        why = (
            "which is neither success nor failure"
            if kind == "Maximized"
            else "which TextAttack does not write"
        )
        raise DataError(
            f"{where} has the result type {kind!r}, {why}; known are {', '.join(_OUTCOMES)}."
        )
    own = _own(row, where)
    may_lack = own is not None or kind == "Error"
    truth = _whole(row, "ground_truth_output", where)
    before, after = (
        _whole_or_none(row, f"{side}_output", where, may_lack) for side in ("original", "perturbed")
    )
    first, last = (
        _share(row, f"{side}_score", where, may_lack) for side in ("original", "perturbed")
    )
    cells = [_cell(row, name, where) for name in COLUMNS[:2]]
    if own is None:
        original, perturbed = from_cells(*cells)
        _check_goal(kind, truth, before, after, where)
        record = asdict(_record(row, number, original, perturbed, first, last, where))
    else:
        original, perturbed = own.get("texts") or from_cells(*map(restored, cells))
        record, last = own["record"], own["truth_perturbed"]
        _check_same(kind, record.get("outcome"), where)
    return _checked(
        {
            "record": record,
            "truth": truth,
            "original": original[0],
            "perturbed": perturbed[0],
            "label_before": before,
            "label_after": after,
            "truth_perturbed": last,
            "pair": original[1],
            "perturbed_pair": perturbed[1],
        },
        where,
    )


def _own(row: Row, where: str) -> Row | None:
    """What the tenth column holds; None for a log of TextAttack, which has none."""
    if OWN not in row:
        return None
    try:
        own = json.loads(row[OWN])
        texts = own.get("texts", ())
        if isinstance(own["record"], dict) and [len(text) for text in texts] in ([], [2, 2]):
            return {"truth_perturbed": own["truth_perturbed"], **own}
        why = "it is none"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = str(error) or type(error).__name__
    raise DataError(f"{where} has a record that cannot be read ({why}); write the log again.")


def _record(
    row: Row,
    number: int,
    original: Texts,
    perturbed: Texts,
    first: float | None,
    last: float | None,
    where: str,
) -> AttackRecord:
    before, after = words_of_all(original), words_of_all(perturbed)
    shares = [round(share, 6) for share in (first, last) if share is not None]
    return AttackRecord(
        number,
        _OUTCOMES[row["result_type"]],
        _whole(row, "num_queries", where),
        words_changed(before, after),
        len(before),
        None if first is None else round(first, 6),
        min(shares, default=None),
    )


def _check_goal(kind: str, truth: int, before: int | None, after: int | None, where: str) -> None:
    expected = "Skipped" if before != truth else "Successful" if after != truth else "Failed"
    if kind not in (expected, "Error"):
        raise DataError(
            f"{where} is {kind!r}, but the outputs {before} and {after} for the true label {truth} "
            f"mean {expected!r}; only logs of untargeted attacks on classifiers can be read."
        )


def _check_same(kind: str, outcome: Any, where: str) -> None:
    if not isinstance(outcome, str) or TYPES.get(outcome) != kind:
        raise DataError(
            f"{where} has the result type {kind!r} and the outcome {outcome!r} in its record; "
            "correct one."
        )


def _cell(row: Row, name: str, where: str) -> str:
    if not isinstance(row[name], str):
        raise DataError(f"{where} has no text in {name!r}; add it or remove the row.")
    return str(row[name])


def _whole(row: Row, name: str, where: str) -> int:
    value = _number(row, name, where)
    if value != int(value) or value < 0:
        raise DataError(
            f"{where} has {row[name]!r} in {name!r}, not a whole number from 0; only logs of "
            "classifiers are read."
        )
    return int(value)


def _whole_or_none(row: Row, name: str, where: str, may_lack: bool) -> int | None:
    return None if may_lack and row[name] in ("", None) else _whole(row, name, where)


def _share(row: Row, name: str, where: str, may_lack: bool) -> float | None:
    """p(true label) from a score."""
    if may_lack and row[name] in ("", None):
        return None
    score = _number(row, name, where)
    if not -1e-6 <= score <= 1 + 1e-6:
        raise DataError(
            f"{where} has {row[name]!r} in {name!r}, outside [0, 1]; only logs of classifiers can "
            "be read."
        )
    return min(1.0, max(0.0, 1 - score))


def _number(row: Row, name: str, where: str) -> float:
    try:
        value = float(row[name])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where} has {row[name]!r} in {name!r}, not a number; correct it.")
    return value

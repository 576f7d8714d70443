"""What the cards say at every stop of the slider, and where the cursor's marks stand: pure
functions, studies in, texts out.
"""

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from prunescope.app.charts import palette
from prunescope.app.charts.curves import LOOKS, axes
from prunescope.engine import Study, short_names
from prunescope.engine.reading import glossary, series
from prunescope.engine.reading.changes import Change, changes
from prunescope.engine.reading.verdicts import has_collapsed

MEASURES = {
    name: glossary.measure(name) for name in ("acc", "aua", "asr", "cls_error", "size", "latency")
}
SAME, GOOD, BAD, FADED = "same", "good", "bad", "faded"
Changes = Mapping[tuple[float, str], Change]  # by sparsity and measure


@dataclass(frozen=True, slots=True)
class Card:
    """One value in words: with its change vs dense, whether a test supports that it is welcome or
    not, and how certain the value is.
    """

    value: str
    delta: str = ""
    tone: str = SAME
    note: str = ""


NONE = Card("–", note="not measured in this study")
MEANINGLESS = "near chance, so attacks mean nothing"


def card(study: Study, sparsity: float, name: str, changes: Changes) -> Card:
    """What the card of a quantity says at a sparsity; `changes` are the study's."""
    if name == "latency":
        return _latency(study, sparsity)
    value = _value(study, sparsity, name)
    if value.value is not None and value.between is not None and _beyond(value):
        return Card(
            "–", note=f"not measured here; the nearest level is {100 * value.between[0]:g}%"
        )
    if name == "size":
        return _size(study, value)
    if name == "cls_error":
        return _error(value)
    if name in ("aua", "asr") and _collapses(study, sparsity):
        return Card("–", "collapsed", FADED, MEANINGLESS)
    return _rate(study, sparsity, name, value, changes)


def _value(study: Study, sparsity: float, name: str) -> series.Value:
    """A quantity of a study at any sparsity, but for times, which are not interpolated."""
    at = {
        "cls_error": series.error_at,
        "layer_error_median": series.layer_error_at,
        "size": series.bytes_at,
    }.get(name)
    return at(study, sparsity) if at else series.rate_at(study, sparsity, name)


def _rate(study: Study, sparsity: float, name: str, value: series.Value, changes: Changes) -> Card:
    level = study.level(sparsity)
    if value.value is None:
        rate = getattr(level, name) if level else None
        if rate is not None and name == "asr":
            return Card("–", note="none of the attacked examples was classified correctly")
        return NONE
    shown = f"{100 * value.value:.1f}%"
    if level is None or value.rate is None:
        return Card(f"≈ {shown}", _interpolated(study, name, value), SAME, _between(value))
    sure = f"95%: {100 * value.rate.low:.1f}–{100 * value.rate.high:.1f}%, n = {value.rate.n}"
    if name == "acc" and has_collapsed(study, level):
        return Card(shown, "collapsed", FADED, sure)
    change = changes.get((level.sparsity, name))
    if change is None:
        return Card(shown, note=sure)
    tone = SAME if change.better is None else GOOD if change.better else BAD
    return Card(shown, change.text(), tone, sure)


def _interpolated(study: Study, name: str, value: series.Value) -> str:
    """The change of an interpolated value, of which nothing was tested."""
    dense = study.level(0.0)
    base = getattr(dense, name) if dense else None
    if base is None or base.value is None or value.value is None:
        return ""
    return f"≈ {Change(100 * (value.value - base.value)).text()}"


def _between(value: series.Value) -> str:
    low, high = value.between or (0.0, 0.0)
    return f"interpolated between {100 * low:g} and {100 * high:g}%"


def _error(value: series.Value) -> Card:
    assert value.value is not None
    exact = value.between is None
    return Card(
        f"{'' if exact else '≈ '}{value.value:.3g}", note="dense: 0" if exact else _between(value)
    )


def _size(study: Study, size: series.Value) -> Card:
    dense = 4 * study.about["parameters"]
    assert size.value is not None
    change = 100 * (size.value / dense - 1)
    change_text = f"{change:+.0f}%".replace("-", "−") if change <= -0.5 else ""
    return Card(
        f"{'≈ ' if size.between else ''}{size.value / 1e6:.1f} MB",
        change_text,
        GOOD if change_text else SAME,
        f"dense: {dense / 1e6:.1f} MB, fp32",
    )


def _latency(study: Study, sparsity: float) -> Card:
    times = series.latency_at(study, sparsity)
    if times is None:
        return Card("–", note="not timed at this sparsity")
    change = (
        "as dense"
        if abs(times.ratio - 1) < 0.005
        else f"{100 * (times.ratio - 1):+.0f}%".replace("-", "−")
    )
    tone = GOOD if times.high < 1 else BAD if times.low > 1 else SAME
    return Card(
        f"× {times.ratio:.2f}",
        change,
        tone,
        f"5–95%: {times.low:.2f}–{times.high:.2f}",
    )


def cards(studies: list[Study], stops: list[float]) -> dict[str, Any]:
    """What the browser needs to fill the cards while the slider moves."""
    timed = any(series.latencies(study) for study in studies)
    names = [name for name in MEASURES if timed or name != "latency"]
    return {
        "stops": stops,
        "cards": [
            {"name": name, "title": MEASURES[name].symbol, "help": MEASURES[name].help}
            for name in names
        ],
        "studies": [
            {
                "name": name,
                "colour": look[0],
                "symbol": look[2],
                "texts": _texts(study, names, stops),
            }
            for study, name, look in zip(
                studies, short_names(studies), palette.STUDIES, strict=False
            )
        ],
    }


def _texts(study: Study, names: list[str], stops: list[float]) -> dict[str, list[tuple[str, ...]]]:
    """By measure, the card's texts at every stop."""
    tested = changes(study)
    return {
        name: [astuple(card(study, stop / 100, name, tested)) for stop in stops] for name in names
    }


def marks(studies: list[Study], stops: list[float], names: list[str]) -> list[dict[str, Any]]:
    """The cursor's mark on every curve: the panel's axis, look, and (value, measured) at every
    stop, null for none.
    """
    lines = []
    for index, study in enumerate(studies):
        for name, axis in axes(names, len(studies) > 1).items():
            colour, symbol = (
                (LOOKS[name].colour, LOOKS[name].marker)
                if len(studies) == 1
                else palette.STUDIES[index][::2]
            )
            lines.append(
                {
                    "axis": axis,
                    "colour": colour,
                    "symbol": symbol,
                    "at": [_mark(study, stop / 100, name) for stop in stops],
                }
            )
    return lines


def panel_marks(studies: list[Study], stops: list[float], name: str) -> list[dict[str, Any]]:
    """The cursor's marks on a chart that shows one quantity of every study."""
    return [
        {
            "axis": "yaxis",
            "colour": look[0],
            "symbol": look[2],
            "at": [_mark(study, stop / 100, name) for stop in stops],
        }
        for study, look in zip(studies, palette.STUDIES, strict=False)
    ]


def _mark(study: Study, sparsity: float, name: str) -> tuple[float, bool] | None:
    if name in ("aua", "asr") and _collapses(study, sparsity):
        return None
    if name == "latency":
        timed = series.latency_at(study, sparsity)
        return None if timed is None else (timed.ratio, True)
    value = _value(study, sparsity, name)
    if value.value is None or _beyond(value):
        return None
    height = value.value * (
        1e-6 if name == "size" else 1 if name.endswith(("error", "median")) else 100
    )
    return (
        None
        if height <= 0 and LOOKS[name].kind == "error"
        else (_short(height), value.between is None)
    )


def _collapses(study: Study, sparsity: float) -> bool:
    """Whether the model has collapsed there, or at one of the two levels beside it."""
    around = series.neighbours(study, sparsity)
    return has_collapsed(study, around.low) or has_collapsed(study, around.high)


def _beyond(value: series.Value) -> bool:
    """Whether the value lies outside the measured levels, where nothing is drawn."""
    return value.between is not None and value.between[0] == value.between[1]


def cell_marks(study: Study, cell: str, stops: list[float]) -> list[dict[str, Any]]:
    """The cursor's mark on the curve of one layer."""
    values = [series.cell_error_at(study, cell, stop / 100) for stop in stops]
    at = [
        (_short(value.value), value.between is None) if value.value and not _beyond(value) else None
        for value in values
    ]
    return [{"axis": "yaxis", "colour": palette.SPARSE, "symbol": "circle", "at": at}]


def _short(value: float) -> float:
    return round(value, 6 - max(0, math.ceil(math.log10(abs(value))))) if value else 0.0

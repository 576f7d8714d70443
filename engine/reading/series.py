"""The numbers behind the charts: studies in, data frames out. No Streamlit, no Plotly."""

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import pandas as pd

from prunescope.engine import (
    MODULES,
    LevelResult,
    Rate,
    Study,
    Timed,
    full_names,
    method_title,
    short_names,
)

RATES = ("acc", "aua", "asr")


@dataclass(frozen=True, slots=True)
class Value:
    """A value at the cursor; an interpolated one has no interval and says between which levels it
    lies.
    """

    value: float | None
    rate: Rate | None = None
    between: tuple[float, float] | None = None


def curves(study: Study) -> pd.DataFrame:
    """One row a measured level: sparsity and rates in per cent with their intervals, errors as they
    are.
    """
    rows = []
    for level in study.levels:
        row: dict[str, float | None] = {
            "sparsity": 100 * level.sparsity,
            "achieved": 100 * level.achieved,
        }
        for name in RATES:
            rate: Rate | None = getattr(level, name)
            known = rate is not None and rate.value is not None
            row |= {
                name: 100 * rate.value if known else None,
                f"{name}_low": 100 * rate.low if known else None,
                f"{name}_high": 100 * rate.high if known else None,
                f"{name}_n": rate.n if rate else None,
            }
        row |= {
            "cls_error": level.cls_error,
            "layer_error_median": median_error(level),
            "layer_error_worst": max(level.layer_errors.values()),
            "packed_bytes": model_bytes(study, level),
        }
        if timed := latency_at(study, level.sparsity):
            row |= {"latency": timed.ratio, "latency_low": timed.low, "latency_high": timed.high}
        rows.append(row)
    return pd.DataFrame(rows)


def together(studies: Sequence[Study]) -> pd.DataFrame:
    """The curves of all studies in one table, one row a study and level."""
    if len(studies) == 1:
        return curves(studies[0])
    frames = [
        curves(study).assign(study=name, key=study.key[:12])
        for name, study in zip(short_names(studies), studies, strict=True)
    ]
    whole = pd.concat(frames, ignore_index=True)
    return whole[
        ["study", "key", *(name for name in whole.columns if name not in ("study", "key"))]
    ]


def cell_name(cell: str) -> str:
    """`block.module` as people say it."""
    block, module = cell.split(".")
    return f"Block {int(block) + 1}, {module.replace('_', ' ')}"


def cell_curve(study: Study, cell: str) -> pd.DataFrame:
    """One layer's error at every measured level, beside the median of all layers."""
    return pd.DataFrame(
        [
            {
                "sparsity": 100 * level.sparsity,
                "error": level.layer_errors[cell],
                "median": median_error(level),
            }
            for level in study.levels
        ]
    )


def cell_table(study: Study, cell: str) -> pd.DataFrame:
    """What the pruner wrote down about one layer, one row a measured level."""
    rows = []
    for level in study.levels:
        if any(layer["layer"] == cell for layer in level.layers):
            table = layer_table(
                replace(
                    level, layers=tuple(layer for layer in level.layers if layer["layer"] == cell)
                )
            )
            rows.append(
                table.drop(columns=["layer", "requested"]).assign(sparsity=100 * level.sparsity)
            )
    if not rows:
        return pd.DataFrame()
    found = pd.concat(rows, ignore_index=True)
    return found[["sparsity", *(name for name in found.columns if name != "sparsity")]]


def model_bytes(study: Study, level: LevelResult) -> int:
    """The whole model with its prunable weights packed as a bitmap and survivors; dense where that
    is smaller.
    """
    rest = 4 * (study.about["parameters"] - study.about["prunable"])
    return rest + min(level.packed_bytes, level.dense_bytes)


def neighbours(study: Study, sparsity: float) -> tuple[LevelResult, LevelResult]:
    """The measured levels on both sides of a sparsity; twice the same where it was measured or lies
    outside.
    """
    places = [level.sparsity for level in study.levels]
    right = bisect.bisect_left(places, sparsity - 1e-9)
    if right < len(places) and abs(places[right] - sparsity) < 1e-9:
        return study.levels[right], study.levels[right]
    below, above = max(right - 1, 0), min(right, len(places) - 1)
    return study.levels[below], study.levels[above]


def _between(
    low: float, high: float, study_low: LevelResult, study_high: LevelResult, sparsity: float
) -> float:
    width = study_high.sparsity - study_low.sparsity
    return low if width == 0 else low + (high - low) * (sparsity - study_low.sparsity) / width


def rate_at(study: Study, sparsity: float, name: str) -> Value:
    """Acc, Aua or Asr at the cursor, measured or interpolated."""
    low, high = neighbours(study, sparsity)
    first, second = getattr(low, name), getattr(high, name)
    if first is None or second is None or first.value is None or second.value is None:
        return Value(None)
    if low is high and abs(low.sparsity - sparsity) < 1e-9:
        return Value(first.value, first)
    return Value(
        _between(first.value, second.value, low, high, sparsity),
        None,
        (low.sparsity, high.sparsity),
    )


def bytes_at(study: Study, sparsity: float) -> Value:
    """Size of the packed model at the cursor, in bytes."""
    low, high = neighbours(study, sparsity)
    between = (
        None
        if low is high and abs(low.sparsity - sparsity) < 1e-9
        else (low.sparsity, high.sparsity)
    )
    return Value(
        _between(model_bytes(study, low), model_bytes(study, high), low, high, sparsity),
        None,
        between,
    )


def error_at(study: Study, sparsity: float) -> Value:
    """The error of the last [CLS] at the cursor."""
    return _error_at(study, sparsity, lambda level: level.cls_error)


def layer_error_at(study: Study, sparsity: float) -> Value:
    """The median layer error at the cursor."""
    return _error_at(study, sparsity, median_error)


def cell_error_at(study: Study, cell: str, sparsity: float) -> Value:
    """The error of one layer at the cursor."""
    return _error_at(study, sparsity, lambda level: level.layer_errors[cell])


def median_error(level: LevelResult) -> float:
    """The median of a level's layer errors."""
    return median(level.layer_errors.values())


def _error_at(study: Study, sparsity: float, of: Callable[[LevelResult], float]) -> Value:
    low, high = neighbours(study, sparsity)
    exact = low is high and abs(low.sparsity - sparsity) < 1e-9
    return Value(
        _between(of(low), of(high), low, high, sparsity),
        None,
        None if exact else (low.sparsity, high.sparsity),
    )


def latencies(study: Study) -> tuple[Timed, ...]:
    """What was timed on this machine, ascending; the page's reader of studies puts it there."""
    return tuple(study.about.get("timed", ()))


def latency_at(study: Study, sparsity: float) -> Timed | None:
    """What was timed at exactly this sparsity."""
    return next(
        (timed for timed in latencies(study) if abs(timed.sparsity - sparsity) < 1e-9), None
    )


def layer_grid(study: Study, sparsity: float) -> pd.DataFrame:
    """Layer errors at the cursor, blocks as rows and modules as columns."""
    low, high = neighbours(study, sparsity)
    blocks = 1 + max(int(name.split(".")[0]) for name in low.layer_errors)
    return pd.DataFrame(
        [
            [
                _between(
                    low.layer_errors[f"{b}.{m}"], high.layer_errors[f"{b}.{m}"], low, high, sparsity
                )
                for m in MODULES
            ]
            for b in range(blocks)
        ],
        index=[f"{b + 1}" for b in range(blocks)],
        columns=[m.replace("_", " ") for m in MODULES],
    )


def heat(study: Study, places: Sequence[float]) -> dict[str, Any]:
    """What the browser needs to colour the heat map at every stop of the slider: levels, and
    between which two a stop lies.
    """
    order = {level.sparsity: row for row, level in enumerate(study.levels)}
    blocks = 1 + max(int(name.split(".")[0]) for name in study.levels[0].layer_errors)
    between, remarks = [], []
    for place in places:
        low, high = neighbours(study, place / 100)
        exact = low is high and abs(low.sparsity - place / 100) < 1e-9
        remarks.append(
            ""
            if exact
            else "interpolated"
            if low is not high
            else f"as at {100 * low.sparsity:g}%, the nearest"
        )
        share = _between(0.0, 1.0, low, high, place / 100) if low is not high else 0.0
        between.append((order[low.sparsity], order[high.sparsity], round(share, 6)))
    return {
        "stops": list(places),
        "between": between,
        "remarks": remarks,
        "bounds": error_range(study),
        "levels": [
            [float(f"{level.layer_errors[f'{b}.{m}']:.4g}") for b in range(blocks) for m in MODULES]
            for level in study.levels
        ],
        "blocks": [str(b + 1) for b in range(blocks)],
        "modules": list(MODULES),
        "names": [m.replace("_", " ") for m in MODULES],
    }


def error_range(study: Study) -> tuple[float, float]:
    """The ends of the study's one colour scale: its largest layer error, and at most three decades
    below.
    """
    errors = [error for level in study.levels for error in level.layer_errors.values() if error > 0]
    return (max(min(errors), max(errors) / 1000), max(errors)) if errors else (1e-3, 1.0)


def sentence(study: Study) -> str:
    """The study in words."""
    return str(full_names([study])[0])


def stops(studies: Sequence[Study]) -> list[float]:
    """Where the slider stops, in per cent: every whole one up to 95, and every measured level."""
    measured = {round(100 * level.sparsity, 4) for study in studies for level in study.levels}
    whole = range(max(96, 1 + int(max(measured, default=0))))
    return sorted({*map(float, whole), *measured})


def how(study: Study) -> str:
    """Method, pattern and allocation in words, what is usual left out."""
    return str(method_title(study.about))


def own_sparsity(study: Study) -> float | None:
    """The one sparsity that an n:m study has; None where any can be solved."""
    n, colon, m = study.about["pattern"].partition(":")
    return 1 - int(n) / int(m) if colon else None


def layer_table(level: LevelResult) -> pd.DataFrame:
    """What the pruner did to every layer of a level, one row a layer. Levels of the first version
    say less.
    """
    table = pd.DataFrame(
        [
            {
                "layer": f"{int(layer['layer'].split('.')[0]) + 1} "
                f"{layer['layer'].split('.')[1].replace('_', ' ')}",
                "requested": 100 * layer.get("requested", level.sparsity),
                "achieved": 100 * layer["zeros"] / layer["weights"],
                "held-out error": level.layer_errors[layer["layer"]],
                "correction α": layer["alpha"],
                "damping": layer["damping"],
                "damping raised": layer.get("raised", False),
                "tokens per input": layer["tokens"] / layer["inputs"],
                "seconds": level.seconds.get(f"solve {layer['layer']}"),
            }
            for layer in level.layers
        ]
    )
    return table.dropna(axis="columns", how="all")  # times are not kept with every level


def uneven(study: Study) -> bool:
    """Whether at some level layers differ in sparsity by more than a rounding."""
    shares = (
        [layer["zeros"] / layer["weights"] for layer in level.layers] for level in study.levels
    )
    return any(max(level) - min(level) > 0.01 for level in shares if level)

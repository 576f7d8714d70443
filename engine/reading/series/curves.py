"""Quantities of a study against sparsity, one row a measured level."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from prunescope.engine.evaluation.collapse import has_collapsed
from prunescope.engine.reading.names import short_names
from prunescope.engine.reading.series.layers import layer_table
from prunescope.engine.reading.series.values import RATES, latency_at, median_error, model_bytes
from prunescope.engine.records import LevelResult, Rate, Study

Row = dict[str, float | bool | None]


def curves(study: Study) -> pd.DataFrame:
    """Sparsity and rates in per cent with their intervals, errors as they are, bytes, times where
    they were measured, and whether the model has collapsed, so that its Aua and Asr mean nothing.
    """
    return pd.DataFrame([_row(study, level) for level in study.levels])


def _row(study: Study, level: LevelResult) -> Row:
    row: Row = {"sparsity": 100 * level.sparsity, "achieved": 100 * level.achieved}
    for name in RATES:
        row |= _rate(name, getattr(level, name))
    row |= {
        "cls_error": level.cls_error,
        "layer_error_median": median_error(level),
        "layer_error_worst": max(level.layer_errors.values()),
        "packed_bytes": model_bytes(study, level),
        "collapsed": has_collapsed(study, level),
    }
    if timed := latency_at(study, level.sparsity):
        row |= {"latency": timed.ratio, "latency_low": timed.low, "latency_high": timed.high}
    return row


def _rate(name: str, rate: Rate | None) -> Row:
    """The columns of a rate, in per cent; empty ones where it was not measured."""
    if rate is None or rate.value is None:
        n = rate.n if rate else None
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_n": n}
    return {
        name: 100 * rate.value,
        f"{name}_low": 100 * rate.low,
        f"{name}_high": 100 * rate.high,
        f"{name}_n": rate.n,
    }


def together(studies: Sequence[Study]) -> pd.DataFrame:
    """The curves of all studies in one table, one row a study and level."""
    if len(studies) == 1:
        return curves(studies[0])
    frames = [
        curves(study).assign(study=name, key=study.key[:12])
        for name, study in zip(short_names(studies), studies, strict=True)
    ]
    return _first(pd.concat(frames, ignore_index=True), ["study", "key"])


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
    """What the pruner recorded about one layer, one row a measured level."""
    frames = []
    for level in study.levels:
        if layers := tuple(layer for layer in level.layers if layer["layer"] == cell):
            table = layer_table(replace(level, layers=layers))
            table = table.drop(columns=["layer", "requested"])
            frames.append(table.assign(sparsity=100 * level.sparsity))
    if not frames:
        return pd.DataFrame()
    return _first(pd.concat(frames, ignore_index=True), ["sparsity"])


def _first(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The table with these columns before the others."""
    return table[[*names, *(name for name in table.columns if name not in names)]]

"""The Pareto front of robustness against sparsity or size. Studies in, data frames and figures out;
pure.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts.compare import MOST, TITLES
from prunescope.app.charts.mark_names import name_marks
from prunescope.app.charts.palette import GREY, STUDIES, ink
from prunescope.app.charts.style import dressed
from prunescope.app.charts.text import for_chart
from prunescope.engine import BaselineTable, Rate, Study, has_collapsed, is_collapsed, short_names
from prunescope.engine.reading.series import RATES, model_bytes

COLUMNS = [
    "index",  # of the study; MOST for a baseline
    "study",
    "key",
    "sparsity",
    "size",
    "group",
    "collapsed",
    *(f"{rate}{end}" for rate in TITLES for end in ("", "_low", "_high", "_n")),
]
AXES = {"sparsity": "sparsity of the prunable weights", "size": "size of the packed model, MB"}
Models = set[tuple[str, float]]  # (key, sparsity) of rows


def look(index: int) -> tuple[str, str, str]:
    """Colour, dash and marker of a study; beyond the sixth the colours come again with other dashes
    and open markers.
    """
    colour, dash, marker = STUDIES[index % len(STUDIES)]
    if index < len(STUDIES):
        return colour, dash, marker
    return colour, STUDIES[(index + 1) % len(STUDIES)][1], f"{marker}-open"


def points(studies: Sequence[Study]) -> pd.DataFrame:
    """One row a measured level of every study: where it stands, and the group within which a front
    makes sense.
    """
    rows = [
        {
            "index": index,
            "study": name,
            "key": study.key[:12],
            "sparsity": 100 * level.sparsity,
            "size": model_bytes(study, level) / 1e6,
            "group": _group(study),
            "collapsed": has_collapsed(study, level),
            **_rates(level),
        }
        for index, (name, study) in enumerate(zip(short_names(studies), studies, strict=True))
        for level in study.levels
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def baselines(studies: Sequence[Study], tables: Sequence[BaselineTable]) -> pd.DataFrame:
    """The same of other ways to a smaller model than pruning, where one of the studies is the one
    they were measured beside.

    Models that have collapsed are left out.
    """
    by_key, rows = {study.key: study for study in studies}, []
    for table in tables:
        study = by_key.get(table.about["study"])
        if study is None:
            continue
        for model in table.rows:
            collapsed = table.is_collapsed(model) or is_collapsed(
                model.acc, len(study.about["label_names"])
            )
            if model.kind in ("dense", "pruned") or collapsed:
                continue
            rows.append(
                {
                    "index": MOST,
                    "study": model.name,
                    "key": f"{study.key[:8]} {model.name}",
                    "group": _group(study),
                    "collapsed": False,
                    "sparsity": 100 * model.sparsity,
                    "size": model.file_bytes / 1e6,
                    **_rates(model),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _rates(measured: object) -> dict[str, float | int | None]:
    """Acc, Aua and Asr in percent with their intervals."""
    cells: dict[str, float | int | None] = {}
    for name in RATES:
        rate: Rate | None = getattr(measured, name)
        if rate is None or rate.value is None:
            cells |= {f"{name}{end}": None for end in ("", "_low", "_high", "_n")}
        else:
            cells |= {
                name: 100 * rate.value,
                f"{name}_low": 100 * rate.low,
                f"{name}_high": 100 * rate.high,
                f"{name}_n": rate.n,
            }
    return cells


def _group(study: Study) -> str:
    """Rates of one group are of the same examples and, where attacked, of the same attack."""
    return (
        f"{study.identity.get('evaluation', study.key)[:8]} {study.about['attack']} "
        f"{study.about['counts']['attacked']}"
    )


def front(table: pd.DataFrame, y: str, x: str) -> pd.DataFrame:
    """The rows that no other row of their group beats: higher y (lower for Asr), higher sparsity or
    smaller size.

    A row is beaten where another is at least as good in both and better in one. Acc needs no
    attack, so its groups are those of the same examples. A collapsed model is in no front: it is no
    trade-off, and withstands every attack on the examples that its one answer fits.
    """
    rows = table[table[y].notna() & ~table["collapsed"].astype(bool)]
    group = rows["group"].str[:8] if y == "acc" else rows["group"]
    robust = rows[y].astype(float) * (-1 if y == "asr" else 1)
    small = rows[x] * (1 if x == "sparsity" else -1)
    score = np.stack([robust, small], axis=1)
    # (n, n): whether a row is as good in both as another
    at_least = (score[:, None] >= score[None]).all(axis=2)
    better = (score[:, None] > score[None]).any(axis=2)
    same = group.to_numpy()[:, None] == group.to_numpy()[None]
    best = ~(at_least & better & same).any(axis=0)
    return rows[best].assign(front=group[best]).sort_values(["front", x]).reset_index(drop=True)


def pareto(
    table: pd.DataFrame, best: pd.DataFrame, y: str, x: str, dark: bool = False
) -> go.Figure:
    """Every measured level, the front at full strength and joined by a staircase. Collapsed
    models are crosses at the lower edge, since their rates mean nothing.
    """
    figure, measured = go.Figure(), table[table[y].notna()]
    collapsed = measured["collapsed"].astype(bool)
    sound, models = measured[~collapsed], set(zip(best["key"], best["sparsity"], strict=True))
    low, high = _rate_range(sound, models, y, edge=0.14 if collapsed.any() else 0.06)
    _staircases(figure, best, y, x)
    for index in sorted(sound["index"].unique()):
        _marks(figure, sound[sound["index"] == index], models, y, x, dark)
    _collapsed_marks(figure, measured[collapsed], x, low + 0.02 * (high - low), dark)
    _name_baselines(figure, sound, models, y, x, dark)
    figure.update_yaxes(ticksuffix="%", title_text=TITLES[y], range=[low, high])
    figure.update_xaxes(
        title_text=AXES[x], ticksuffix="%" if x == "sparsity" else "", showgrid=False, tickangle=0
    )
    return dressed(figure, dark, 440, uirevision=f"pareto-{x}-{y}")


def _rate_range(sound: pd.DataFrame, models: Models, y: str, edge: float) -> tuple[float, float]:
    """The vertical axis: all marks and the front's intervals, with a margin, that of the lower edge
    in parts of them.
    """
    if sound.empty:
        return 0.0, 100.0
    strong = sound[_in_front(sound, models)]
    low = min(sound[y].min(), *strong[f"{y}_low"])
    high = max(sound[y].max(), *strong[f"{y}_high"])
    height = max(high - low, 8.0)
    return float(low - edge * height), float(high + 0.06 * height)


def _collapsed_marks(
    figure: go.Figure, part: pd.DataFrame, x: str, height: float, dark: bool
) -> None:
    """Collapsed models at the lower edge; only how sparse or large they are can be read there."""
    if part.empty:
        return
    figure.add_scatter(
        x=part[x],
        y=[height] * len(part),
        mode="markers",
        name="collapsed, near chance",
        text=part["study"].map(for_chart),
        marker={"symbol": "x-thin-open", "size": 9, "opacity": 0.7, "color": ink(GREY, dark)},
        customdata=part[["sparsity", "acc"]].to_numpy(),
        hovertemplate="%{text} at %{customdata[0]:g}%: collapsed, Acc %{customdata[1]:.1f}%"
        "<extra></extra>",
    )


def _staircases(figure: go.Figure, best: pd.DataFrame, y: str, x: str) -> None:
    for name in best["front"].unique():
        part = best[best["front"] == name]
        figure.add_scatter(
            x=part[x],
            y=part[y],
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            name="front",
            line={"color": GREY, "width": 2, "shape": "vh" if x == "sparsity" else "hv"},
        )


def _in_front(part: pd.DataFrame, models: Models) -> list[bool]:
    return [pair in models for pair in zip(part["key"], part["sparsity"], strict=True)]


def _marks(
    figure: go.Figure, part: pd.DataFrame, models: Models, y: str, x: str, dark: bool
) -> None:
    """The marks of one study or of all baselines; intervals for those of the front alone."""
    index = int(part["index"].iloc[0])
    colour, _, marker = look(index)
    name, title = for_chart(str(part["study"].iloc[0])), "%{text}"
    if index == MOST:  # every baseline has its name beside it
        colour, marker, name = ink(GREY, dark), "diamond", "baselines"
    else:
        title = name
    strong = _in_front(part, models)

    def bars(end: str) -> list[Any]:
        lengths = (part[f"{y}_{end}"] - part[y]).abs()
        return [length if best else None for length, best in zip(lengths, strong, strict=True)]

    figure.add_scatter(
        x=part[x],
        y=part[y],
        mode="markers",
        name=name,
        text=part["study"].map(for_chart) if index == MOST else None,
        marker={
            "symbol": marker,
            "color": colour,
            "size": [11 if best else 7 for best in strong],
            "opacity": [1.0 if best else 0.55 for best in strong],
        },
        error_y={
            "type": "data",
            "symmetric": False,
            "array": bars("high"),
            "arrayminus": bars("low"),
            "color": colour,
            "thickness": 1.2,
            "width": 0,  # a cap would show where there is no bar too
        },
        customdata=part[["sparsity", "size", f"{y}_low", f"{y}_high", f"{y}_n"]].to_numpy(),
        hovertemplate=f"{title} at %{{customdata[0]:g}}%, %{{customdata[1]:.1f}} MB<br>"
        f"{TITLES[y]} %{{y:.1f}}% [%{{customdata[2]:.1f}}, %{{customdata[3]:.1f}}], "
        "n = %{customdata[4]}<extra></extra>",
    )


def _name_baselines(
    figure: go.Figure, measured: pd.DataFrame, models: Models, y: str, x: str, dark: bool
) -> None:
    """The baselines' names beside their marks, clear of all marks and intervals."""
    strong = np.array(_in_front(measured, models), dtype=bool)
    low, high = (
        measured[f"{y}_{end}"].astype(float).where(strong, measured[y]).to_numpy()
        for end in ("low", "high")
    )
    marks = pd.DataFrame(
        {
            "name": measured["study"].where(measured["index"] == MOST),
            "x": measured[x],
            "y": measured[y],
            "low": low,
            "high": high,
        }
    )
    name_marks(figure, marks, dark)

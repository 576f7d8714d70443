"""The charts of subnetworks in and out of distribution. Pure functions: tables in, figures
out; the tables are those of `reading.subnetworks`.
"""

import itertools
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prunescope.app.charts.palette import DENSE, GREEN, GREY, OLIVE, PURPLE, SPARSE, ink
from prunescope.app.charts.style import dressed
from prunescope.engine import SubnetworkRun, SubnetworkTable, pluralize

DASHES = {"ce": "dash", "poe": "solid", "reweight": "dot", "confreg": "dashdot"}
MARKERS = {
    "full": "star-square",
    "mask": "circle",
    "imp": "square",
    "hard-concrete": "diamond",
    "isolated": "triangle-up",
}
# of mask training, where it is not the plain one
STEPS = {
    "gradual": "hexagon",
    "soft": "pentagon",
}
FADED = "x-thin"  # models near chance
COLOURS = {"full": DENSE, "mask": SPARSE, "imp": GREY, "hard-concrete": PURPLE, "isolated": GREEN}


def drawn(table: SubnetworkTable, spread: pd.DataFrame) -> pd.DataFrame:
    """A table of `reading.subnetworks` with the marker, dash and colour of every cell."""
    looks = {run.cell: _look(run) for run in reversed(table.runs)}
    columns = pd.DataFrame([looks[cell] for cell in spread["cell"]], index=spread.index)
    return pd.concat([spread, columns], axis=1)


def _look(run: SubnetworkRun) -> dict[str, str]:
    plain = run.adversarial == "none"
    return {
        "marker": _marker(run),
        "dash": DASHES[run.loss] if plain else "longdash",
        "colour": OLIVE if run.rewind else COLOURS[run.method],
    }


def _marker(run: SubnetworkRun) -> str:
    if run.method == "full" and run.loss == "ce" and run.adversarial == "none":
        return "star"  # a full model has no line whose dash would tell
    if run.method != "mask" or (run.schedule == "fixed" and run.init == "hard"):
        return MARKERS[run.method]
    return STEPS["gradual" if run.schedule != "fixed" else "soft"]


def curves(spread: pd.DataFrame, names: list[str], dark: bool = False) -> go.Figure:
    """Each set's figure against sparsity, sets side by side, with its chance level; bars are one
    standard deviation, or a single seed's interval.
    """
    figure = make_subplots(
        rows=1, cols=len(names), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=names
    )
    for column, name in enumerate(names, start=1):
        part = spread[spread["set"] == name]
        for series in dict.fromkeys(part["series"]):
            _curve(figure, part[part["series"] == series].sort_values("sparsity"), series, column)
        _chance_line(figure, float(part["chance"].iloc[0]), "chance", dark, column)
    figure.update_annotations(font_size=13)  # the sets' names, side by side on a phone too
    figure.update_xaxes(**_axis(spread))
    figure.update_yaxes(ticksuffix="%")
    figure.update_yaxes(title_text=" or ".join(dict.fromkeys(spread["figure"])), col=1)
    return dressed(figure, dark, 500, 126).update_layout(legend={"y": 1.1})


def _curve(figure: go.Figure, part: pd.DataFrame, series: str, column: int) -> None:
    spread = [
        pluralize(row.seeds, "seed") if row.seeds > 1 else f"[{row.low:.1f}, {row.high:.1f}]"
        for row in part.itertuples()
    ]
    words = [", near chance in distribution" if faded else "" for faded in part["collapsed"]]
    figure.add_scatter(
        **_look_of(part, "mean", "sd", "low", "high"),
        name=series,
        legendgroup=series,
        showlegend=column == 1,
        row=1,
        col=column,
        customdata=list(zip(spread, part["n"], words, strict=True)),
        hovertemplate=f"{series}: %{{y:.1f}}% at %{{x:g}}%%{{customdata[2]}}, %{{customdata[0]}}, "
        "n = %{customdata[1]}<extra></extra>",
    )


def _look_of(part: pd.DataFrame, value: str, sd: str, low: str, high: str) -> dict[str, Any]:
    """Marks, line and error bars of one series; models near chance are faded crosses without a
    bar.
    """
    colour, lone = part["colour"].iloc[0], len(part) == 1
    collapsed = part["collapsed"].to_numpy(dtype=bool)
    single = part["seeds"] == 1
    up = part[sd].where(~single, part[high] - part[value]).where(~collapsed)
    down = part[sd].where(~single, part[value] - part[low]).where(~collapsed)
    symbols = [FADED if faded else part["marker"].iloc[0] for faded in collapsed]
    return {
        "x": part["sparsity"],
        "y": part[value],
        "mode": "markers" if lone else "lines+markers",
        "line": {"color": colour, "dash": part["dash"].iloc[0], "width": 2.2},
        "marker": {
            "symbol": symbols,
            "size": 11 if lone else 8,
            "color": colour,
            "opacity": [0.45 if faded else 1.0 for faded in collapsed],
            "line": {"width": 2, "color": colour},
        },
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": up,
            "arrayminus": down,
            "color": colour,
            "thickness": 1.2,
            "width": 0,  # a cap would show where there is no bar too
        },
    }


def _chance_line(
    figure: go.Figure, height: float, name: str, dark: bool, column: int | None = None
) -> None:
    """A line with its name at its left end, in one panel or in the only one."""
    figure.add_hline(
        y=height,
        line={"color": GREY, "width": 1.2, "dash": "dot"},
        annotation={
            "text": name,
            "font": {"size": 12, "color": ink(GREY, dark)},
            "xanchor": "left",
            "yanchor": "bottom",
            "borderpad": 1,
        },
        annotation_position="top left",
        **({} if column is None else {"row": 1, "col": column}),
    )


def _axis(spread: pd.DataFrame) -> dict[str, Any]:
    """Sparsity, with a tick at each level as long as they have room."""
    levels = sorted({0.0, *spread["sparsity"]})
    apart = all(high - low >= 10 for low, high in itertools.pairwise(levels))
    ticks = levels if apart else [0, 20, 40, 60, 80]
    return {"range": [-4, 100], "tickvals": ticks, "showgrid": False, "title_text": "sparsity, %"}


def gap_chart(spread: pd.DataFrame, name: str, dark: bool = False) -> go.Figure:
    """ID − OOD against sparsity; a model at 0 is as good out of distribution as in it, and one that
    answers by chance has the gap of the two chance levels.
    """
    figure, part = go.Figure(), spread[(spread["set"] == name) & spread["gap"].notna()]
    for series in dict.fromkeys(part["series"]):
        rows = part[part["series"] == series].sort_values("sparsity")
        words = [", near chance in distribution" if faded else "" for faded in rows["collapsed"]]
        figure.add_scatter(
            **_look_of(rows, "gap", "gap_sd", "gap_low", "gap_high"),
            name=series,
            customdata=words,
            hovertemplate=f"{series}: %{{y:.1f}} points at %{{x:g}}%%{{customdata}}<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": GREY, "width": 1})
    inside = spread.loc[spread["set"] == spread["set"].iloc[0], "chance"].iloc[0]
    _chance_line(figure, float(inside - part["chance"].iloc[0]), "chance", dark)
    figure.update_xaxes(**_axis(spread))
    figure.update_yaxes(title_text=f"ID − {name}, points")
    return dressed(figure, dark, 380).update_layout(showlegend=False)


def group_chart(groups: pd.DataFrame, dark: bool = False) -> go.Figure:
    """Groups as columns, models as rows, accuracy as colour and as a number; models near chance in
    distribution say so at their name.
    """
    names = groups["series"] + groups["collapsed"].map({True: "<br>(near chance)", False: ""})
    groups = groups.assign(series=names)
    grid = groups.pivot(index="series", columns="group", values="mean")
    grid = grid.loc[list(dict.fromkeys(groups["series"]))]
    figure = go.Figure(
        go.Heatmap(
            z=grid.to_numpy(),
            x=list(grid.columns),
            y=list(grid.index),
            zmin=0,
            zmax=100,
            colorscale="Cividis",
            xgap=2,
            ygap=2,
            text=grid.map(lambda value: "" if pd.isna(value) else f"{value:.0f}").to_numpy(),
            texttemplate="%{text}",
            hovertemplate="%{y}, %{x}: %{z:.1f}%<extra></extra>",
            showscale=False,
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, ticks="")
    few = len(grid.columns) <= 3
    figure.update_xaxes(tickangle=0 if few else -35, showgrid=False, automargin=True, ticks="")
    height = 150 + 34 * len(grid) + (60 if len(grid.columns) > 6 else 0)
    return dressed(figure, dark, height - 70 * few, 28, 110 - 70 * few)

"""The charts: data frame in, Plotly figure out. Pure functions; colours work on a light and on a
dark page.

The background is the page's own, not transparent, so that an exported image can be read wherever it
lands. The cursor is not part of a figure: the browser draws it over the chart, so that it follows
the hand (`app/instrument`).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prunescope.app.charts.palette import DENSE, GREY, SPARSE, STUDIES, fill, ink
from prunescope.app.charts.style import dressed
from prunescope.app.charts.text import for_chart


class Look(NamedTuple):
    """How a quantity is drawn where one study is shown: never told apart by colour alone."""

    title: str
    colour: str
    dash: str
    marker: str
    kind: str  # of its axis


LOOKS = {
    "acc": Look("Acc", SPARSE, "solid", "circle", "rate"),
    "aua": Look("Aua", SPARSE, "dash", "square", "rate"),
    "asr": Look("Asr", GREY, "dot", "diamond", "rate"),
    "cls_error": Look("[CLS]", SPARSE, "solid", "circle", "error"),
    "layer_error_median": Look("layers, median", GREY, "dash", "square", "error"),
    "size": Look("size", SPARSE, "solid", "circle", "size"),
    "latency": Look("time", SPARSE, "solid", "circle", "latency"),
}
AXES: dict[str, tuple[str, dict[str, Any]]] = {  # kind: title, settings
    "rate": ("rate", {"range": [0, 102], "ticksuffix": "%", "dtick": 20}),
    "error": (
        "relative error",
        {
            "type": "log",
            "tickvals": [0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10],
            "ticktext": ["0.00001", "0.0001", "0.001", "0.01", "0.1", "1", "10"],
        },
    ),
    "size": ("packed", {"ticksuffix": " MB", "rangemode": "tozero", "nticks": 6}),
    "latency": ("CSR / dense", {"ticksuffix": " ×", "rangemode": "tozero", "nticks": 4}),
}
# pixels of a panel of several rates, of any other, and between panels
TALL, LOW, GAP = (
    300,
    130,
    34,
)
FADED = 0.35  # opacity of a collapsed model
Curves = Sequence[tuple[str, pd.DataFrame]]  # a study's name and its `figures.curves`


def panels(chosen: Sequence[str], several: bool) -> list[list[str]]:
    """Which curves share a panel: those of a kind where one study is shown, every quantity its own
    where there are several.
    """
    if several:
        return [[name] for name in LOOKS if name in chosen]
    kinds = [
        [name for name in LOOKS if name in chosen and LOOKS[name].kind == kind] for kind in AXES
    ]
    return [names for names in kinds if names]


def axes(chosen: Sequence[str], several: bool) -> dict[str, str]:
    """The name of every quantity's vertical axis, as the figure calls it."""
    return {
        name: "yaxis" if row == 1 else f"yaxis{row}"
        for row, names in enumerate(panels(chosen, several), start=1)
        for name in names
    }


def curves(studies: Curves, names: Sequence[str], dark: bool = False) -> go.Figure:
    """Panels over one sparsity axis: rates in percent, errors as they are, size in MB, time against
    dense.

    One study's curves of a kind share a panel and are named at their ends; several studies have a
    panel a quantity and a legend.
    """
    several = len(studies) > 1
    rows = panels(names, several)
    heights = [
        TALL if len(row) > 1 and LOOKS[row[0]].kind == "rate" else LOW + 60 * several
        for row in rows
    ]
    inner = sum(heights) + GAP * (len(rows) - 1)
    figure = make_subplots(
        rows=len(rows),
        cols=1,
        shared_xaxes=True,
        row_heights=[height / sum(heights) for height in heights],
        vertical_spacing=GAP / inner,
    )
    for number, row in enumerate(rows, start=1):
        _panel(figure, studies, row, number, dark)
    return _dressed(figure, dark, inner, several)


def _panel(figure: go.Figure, studies: Curves, names: Sequence[str], row: int, dark: bool) -> None:
    """The curves of one panel, and its vertical axis."""
    several, kind = len(studies) > 1, LOOKS[names[0]].kind
    for name in names:
        for index, (study, frame) in enumerate(studies):
            look = STUDIES[index] if several else LOOKS[name][1:4]
            title = study if several else LOOKS[name].title
            _curve(figure, _in_units(frame), name, title, look, row, several)
        if not several:
            _name(figure, _in_units(studies[0][1]), name, names, row, dark)
    title, settings = AXES[kind]
    own = LOOKS[names[0]].title + " error" * (kind == "error")
    figure.update_yaxes(title_text=own if several else title, row=row, col=1, **settings)
    frames = [solid(frame) for _, frame in studies]
    if kind == "error":
        figure.update_yaxes(row=row, col=1, range=decades(frames, names))
    if several and kind == "rate":  # where the curves are, so that studies can be told apart
        figure.update_yaxes(row=row, col=1, **_window(frames, names[0]))


def decades(frames: Sequence[pd.DataFrame], names: Sequence[str]) -> list[float]:
    """An axis of errors in powers of ten: from the decade below all curves to the one above, so
    that two ticks at least show.
    """
    values = pd.concat(
        [frame[name] for frame in frames for name in names if name in frame]
        or [pd.Series(dtype=float)]
    )
    values = values[values > 0]
    if values.empty:
        return [-2.0, 0.0]
    low, high = math.floor(math.log10(values.min())), math.ceil(math.log10(values.max()))
    return [float(low), float(max(high, low + 1))]


def _window(frames: Sequence[pd.DataFrame], name: str) -> dict[str, Any]:
    """An axis of percent from the tens below all curves to the tens above."""
    values = pd.concat(
        [frame[name] for frame in frames if frame[name].notna().any()] or [pd.Series([0.0, 100.0])]
    )
    low, high = (
        max(0.0, 10 * math.floor((values.min() - 3) / 10)),
        min(102.0, 10 * math.ceil((values.max() + 3) / 10)),
    )
    return {"range": [low, high], "dtick": 10 if high - low < 60 else 20}


def _in_units(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(size=frame["packed_bytes"] / 1e6)


def curve_trace(
    figure: go.Figure,
    frame: pd.DataFrame,
    name: str,
    title: str,
    look: tuple[str, str, str],
    several: bool,
    **cell: int,
) -> None:
    """One quantity of a study as a curve, in a `row` and `col` of the figure if it has such.

    Where the model has collapsed the curve is faded, and Aua and Asr, which mean nothing there, are
    left out.
    """
    colour, dash, marker = look
    trace: dict[str, Any] = {
        "mode": "lines+markers",
        "line": {"color": colour, "dash": dash, "width": 2.2},
        "marker": {"symbol": marker, "size": 7, "color": colour},
        "legendgroup": title,
        **cell,
    }
    shown = solid(frame)
    figure.add_scatter(
        x=shown["sparsity"],
        y=shown[name],
        name=for_chart(title),
        customdata=_interval(shown, name),
        hovertemplate=_hover(name, title, several),
        showlegend=several and cell.get("row", 1) == 1,
        **trace,
    )
    fallen = collapsed_part(frame)
    if len(fallen) and name not in ("aua", "asr"):
        figure.add_scatter(
            x=fallen["sparsity"],
            y=fallen[name],
            name=f"{for_chart(title)}, collapsed",
            customdata=_interval(fallen, name),
            hovertemplate=[  # the line starts at a level that stands
                _hover(name, f"{title}, collapsed" if collapsed else title, True)
                for collapsed in fallen["collapsed"]
            ],
            showlegend=False,
            opacity=FADED,
            **trace,
        )


def solid(frame: pd.DataFrame) -> pd.DataFrame:
    """The levels at which the model has not collapsed."""
    return frame[~frame["collapsed"].astype(bool)] if "collapsed" in frame else frame


def collapsed_part(frame: pd.DataFrame) -> pd.DataFrame:
    """The levels at which the model has collapsed, after the last one at which it had not."""
    if "collapsed" not in frame or not frame["collapsed"].any():
        return frame.head(0)
    first = int(frame["collapsed"].to_numpy().argmax())
    return frame.iloc[max(0, first - 1) :]


def _curve(
    figure: go.Figure,
    frame: pd.DataFrame,
    name: str,
    title: str,
    look: tuple[str, str, str],
    row: int,
    several: bool,
) -> None:
    if name not in frame or frame[name].isna().all():
        return
    # a logarithm has no zero
    frame = frame[frame[name].notna() & ((frame[name] > 0) | (LOOKS[name].kind != "error"))]
    if f"{name}_low" in frame:
        interval_band(figure, solid(frame), name, look[0], several, row=row, col=1)
    curve_trace(figure, frame, name, title, look, several, row=row, col=1)
    if not several and name in ("acc", "aua") and frame["sparsity"].iloc[0] == 0:
        figure.add_shape(
            type="line",
            x0=0,
            x1=float(frame["sparsity"].iloc[-1]),
            y0=float(frame[name].iloc[0]),
            y1=float(frame[name].iloc[0]),
            line={"color": DENSE, "width": 1, "dash": look[1]},
            opacity=0.8,
            row=row,
            col=1,
        )


def interval_band(
    figure: go.Figure, frame: pd.DataFrame, name: str, colour: str, several: bool, **cell: int
) -> None:
    """The 95% intervals of a rate as a band."""
    x = frame["sparsity"]
    figure.add_scatter(
        x=pd.concat([x, x[::-1]]),
        y=pd.concat([frame[f"{name}_high"], frame[f"{name}_low"][::-1]]),
        mode="lines",
        fill="toself",
        fillcolor=fill(colour, 0.1 if several else 0.15),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        name=f"{LOOKS[name].title} interval",
        **cell,
    )


def _interval(frame: pd.DataFrame, name: str) -> Any:
    columns = [f"{name}_{part}" for part in ("low", "high", "n") if f"{name}_{part}" in frame]
    return frame[columns].to_numpy() if columns else None


def _hover(name: str, title: str, several: bool) -> str:
    kind, study = LOOKS[name].kind, f"{for_chart(title)}<br>" if several else ""
    value = {
        "rate": "%{y:.1f}% [%{customdata[0]:.1f}, %{customdata[1]:.1f}], n = %{customdata[2]}",
        "error": "%{y:.3g}",
        "size": "%{y:.1f} MB",
        "latency": "%{y:.2f} × dense [%{customdata[0]:.2f}, %{customdata[1]:.2f}]",
    }[kind]
    return f"{study}{LOOKS[name].title} {value} at %{{x:g}}%<extra></extra>"


def _name(
    figure: go.Figure, frame: pd.DataFrame, name: str, beside: Sequence[str], row: int, dark: bool
) -> None:
    """The curve's name at its end, in its colour; moved where another curve of the panel ends close
    by.
    """
    ends = {
        other: float(frame[other].dropna().iloc[-1])
        for other in beside
        if other in frame and frame[other].notna().any()
    }
    if name not in ends or (LOOKS[name].kind == "error" and ends[name] <= 0) or len(beside) == 1:
        return
    figure.add_scatter(
        x=[float(frame["sparsity"][frame[name].notna()].iloc[-1])],
        y=[ends[name]],
        mode="text",
        hoverinfo="skip",
        showlegend=False,
        text=[f"   {for_chart(LOOKS[name].title)}"],
        textposition=f"{_place(name, ends)} right",
        cliponaxis=False,
        row=row,
        col=1,
        textfont={"color": ink(LOOKS[name].colour, dark), "size": 12},
        name=f"{LOOKS[name].title} name",
    )


def _place(name: str, ends: dict[str, float]) -> str:
    near = [end for other, end in ends.items() if other != name and _close(name, end, ends[name])]
    return "middle" if not near else "top" if ends[name] >= max(near) else "bottom"


def _close(name: str, end: float, other: float) -> bool:
    return (
        abs(end - other) < 8
        if LOOKS[name].kind == "rate"
        else min(end, other) > 0 and max(end, other) / min(end, other) < 5
    )


def _dressed(figure: go.Figure, dark: bool, inner: int, several: bool) -> go.Figure:
    top = 60 if several else 28
    dressed(figure, dark, inner + top + 46).update_layout(
        showlegend=several,
        margin={"l": 74, "r": 20 if several else 96, "t": top, "b": 46},
        uirevision="curves",
    )
    figure.update_xaxes(
        range=[-2, 100],
        ticksuffix="%",
        showgrid=False,
        tickangle=0,
        ticks="outside",
        ticklen=6,
        tickcolor="rgba(0,0,0,0)",
    )
    if len(figure.layout.shapes):
        figure.add_annotation(
            text="thin line: dense",
            xref="paper",
            yref="paper",
            x=0,
            y=1,
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"color": ink(DENSE, dark), "size": 12},
        )
    last = len(list(figure.select_xaxes()))
    figure.update_xaxes(title_text="sparsity of the prunable weights", row=last, col=1)
    return figure

"""The two large panels of the first screen: one rate of every study over sparsity, with the safe
limit of the first study marked. Data frame in, Plotly figure out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts.curves import Curves, curve_trace, interval_band, solid
from prunescope.app.charts.palette import GREEN, GREY, STUDIES, fill, ink
from prunescope.app.charts.style import dressed
from prunescope.app.charts.text import for_chart
from prunescope.engine.reading.glossary import measure

HEIGHT = 340  # pixels, where the page does not stretch it
END = 96.5  # per cent of sparsity at the right edge, before the names, unless more was measured
APART = 0.062  # of the axis: how far two names at the right lie apart


@dataclass(frozen=True, slots=True)
class SafeLimit:
    """The safe sparsity of the first study, in per cent."""

    sure: float  # with 95 % confidence
    best: float  # the best guess


@dataclass(frozen=True, slots=True)
class Panel:
    """What one panel shows."""

    measure: str  # "acc" or "aua"
    subtitle: str  # what the rate counts
    chance: float | None = None  # per cent


def panel(
    studies: Curves, shown: Panel, limit: SafeLimit | None = None, dark: bool = False
) -> go.Figure:
    """One rate of every study: a curve each, named at its right end, over the dense line."""
    figure = go.Figure()
    frames = [frame for _, frame in studies]
    low, high = window(frames, shown)
    end = max(END, *(float(frame["sparsity"].max()) + 1 for frame in frames))
    if limit is not None:
        _mark_limit(figure, limit, dark)
    _mark_dense(figure, studies, shown.measure, end, dark)
    if shown.chance is not None and low < shown.chance < high:
        _line(figure, shown.chance, GREY, "dot", "chance", end, dark)
    for (name, frame), look in zip(studies, STUDIES, strict=False):
        interval_band(figure, solid(frame), shown.measure, look[0], len(studies) > 1)
        curve_trace(figure, frame, shown.measure, name, look, several=True)
    _name_ends(figure, studies, shown.measure, (low, high), dark)
    dressed(figure, dark, HEIGHT, top=54, bottom=42, uirevision="panels")
    figure.update_layout(showlegend=False, margin={"l": 46, "r": 96})
    figure.update_xaxes(
        range=[-1.5, end],
        ticksuffix="%",
        tickvals=[0, 25, 50, 75, 95],
        showgrid=False,
        title={"text": "sparsity", "standoff": 4},
    )
    figure.update_yaxes(range=[low, high], ticksuffix="%", nticks=6)
    _title(figure, shown, dark)
    return figure


def window(frames: Sequence[pd.DataFrame], shown: Panel) -> tuple[float, float]:
    """The range of the vertical axis in per cent: accuracy from below chance, so that a collapse
    shows; other rates from 0. Collapsed models, whose Aua means nothing, do not stretch it.
    """
    name = shown.measure
    tops = [solid(frame)[f"{name}_high"].dropna().max() for frame in frames if name in frame]
    top = max((float(value) for value in tops if pd.notna(value)), default=100.0)
    if shown.chance is None:
        return 0.0, min(102.0, 5 * (top // 5) + 10)
    lows = [frame[name].dropna().min() for frame in frames if name in frame]
    low = min([shown.chance, *(float(value) for value in lows if pd.notna(value))])
    return max(0.0, 10 * ((low - 4) // 10)), min(102.0, 5 * (top // 5) + 7)


def _title(figure: go.Figure, shown: Panel, dark: bool) -> None:
    """What the panel shows and what it counts, in two lines above it."""
    name = measure(shown.measure)
    figure.add_annotation(
        text=f"<b>{name.name}</b> ({name.symbol})<br>"
        f'<span style="font-size:12px">{for_chart(shown.subtitle)}</span>',
        x=0,
        y=1,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        xshift=-46,
        yshift=6,
        align="left",
        showarrow=False,
        font={"size": 16, "color": ink(GREY, dark)},
    )


def _mark_limit(figure: go.Figure, limit: SafeLimit, dark: bool) -> None:
    """The safe range of the first study: shaded where it is certain, a line at the best guess."""
    figure.add_vrect(x0=0, x1=limit.sure, fillcolor=fill(GREEN, 0.09), line_width=0, layer="below")
    if limit.best > limit.sure:
        figure.add_vrect(
            x0=limit.sure,
            x1=limit.best,
            fillcolor=fill(GREEN, 0.045),
            line_width=0,
            layer="below",
        )
    figure.add_annotation(
        text=f"safe up to {limit.sure:g}%" if limit.sure else "no sparsity is certain to be safe",
        x=limit.sure if limit.sure >= 25 else 0,
        y=0,
        yref="paper",
        xanchor="right" if limit.sure >= 25 else "left",
        yanchor="bottom",
        showarrow=False,
        font={"color": ink(GREEN, dark), "size": 12},
    )


def _mark_dense(figure: go.Figure, studies: Curves, name: str, end: float, dark: bool) -> None:
    """The dense model's rate, where all studies have the same one."""
    values = [solid(frame).loc[frame["sparsity"] == 0, name].dropna() for _, frame in studies]
    dense = {float(value.iloc[0]) for value in values if len(value)}
    if len(dense) == 1:  # grey: blue is the second study here
        _line(figure, dense.pop(), GREY, "dash", "dense", end, dark)


def _line(
    figure: go.Figure, height: float, colour: str, dash: str, name: str, end: float, dark: bool
) -> None:
    """A level line through the panel, named at its left end."""
    figure.add_shape(
        type="line",
        x0=0,
        x1=end,
        y0=height,
        y1=height,
        line={"color": colour, "width": 1, "dash": dash},
        layer="below",
    )
    figure.add_annotation(
        text=name,
        x=0.5,
        y=height,
        xanchor="left",
        yanchor="top",
        showarrow=False,
        font={"color": ink(colour, dark), "size": 11},
    )


def _name_ends(
    figure: go.Figure,
    studies: Curves,
    name: str,
    bounds: tuple[float, float],
    dark: bool,
) -> None:
    """Every study's name at the right, at the height where its curve ends, moved off the others;
    a study that has collapsed says so.
    """
    low, high = bounds
    ends = list[tuple[float, str, str]]()
    for (title, frame), look in zip(studies, STUDIES, strict=False):
        values = (frame if name == "acc" else solid(frame))[name].dropna()
        if values.empty:
            continue
        fallen = bool(frame["collapsed"].any()) if "collapsed" in frame else False
        label = for_chart(title[:1].upper() + title[1:])
        text = f"{label}<br>collapsed" if fallen else label
        ends.append((float(values.iloc[-1]), text, look[0]))
    height = -1.0
    for end, text, colour in sorted(ends):
        room = APART * (2 if "<br>" in text else 1)
        share = max((end - low) / (high - low), height + room / 2)
        height = share + room / 2
        figure.add_annotation(
            text=text,
            x=1.005,
            y=low + share * (high - low),
            xref="paper",
            xanchor="left",
            align="left",
            showarrow=False,
            font={"color": ink(colour, dark), "size": 13},
        )

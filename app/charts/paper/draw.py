"""A Plotly figure as a Matplotlib figure."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from prunescope.app.charts.light import PAPER, TEXT
from prunescope.app.charts.paper import axes as on_axes
from prunescope.app.charts.paper import marks
from prunescope.app.charts.paper.colours import Palette
from prunescope.app.charts.paper.grid import Grid, Panel
from prunescope.app.charts.paper.heat import heat_map
from prunescope.app.charts.paper.style import Style
from prunescope.app.charts.paper.text import label
from prunescope.app.charts.paper.traces import Bars, Scatter

SANS, SERIF = "DejaVu Sans", "STIXGeneral"  # both come with Matplotlib
Keys = dict[str, Artist]  # the legend: a name and how its series is drawn
LEGENDS: dict[str, Any] = {
    "top": "outside upper left",
    "right": "outside right upper",
    "bottom": "outside lower center",
}
KINDS = {"scatter", "bar", "heatmap"}  # of traces
USUAL_HEIGHT = 450  # pixels of a chart that states none


def drawn(chart: go.Figure, style: Style) -> Figure:
    """The chart on white paper. Raises ValueError for a part that this file does not know."""
    paper = Figure(figsize=_size(chart, style), layout="constrained", facecolor=PAPER)
    points, palette = style.preset.points, Palette(style.mono)
    traces = [trace for trace in chart.data if trace.visible in (None, True)]
    for kind in {trace.type for trace in traces} - KINDS:
        raise ValueError(f"a trace of the type {kind!r} cannot be drawn on paper")
    grid, keys = Grid(chart, paper), Keys()
    names = {panel.axes: _names(grid, traces, panel) for panel in grid.panels.values()}
    for trace in traces:
        if not style.band and trace.type == "scatter" and trace.fill is not None:
            continue
        panel = grid.of(trace)
        _trace(paper, trace, traces, grid, panel, names[panel.axes], palette, points, keys)
    for panel in grid.panels.values():
        on_axes.dress(panel, names[panel.axes], style.preset.text)
    on_axes.match(grid)
    for mark in chart.layout.shapes:
        marks.shape(grid, mark, palette, points)
    for mark in chart.layout.annotations:
        marks.annotation(grid, mark, palette, points)
    paper.align_ylabels()
    _head(paper, style, keys if chart.layout.showlegend is not False else {})
    _typeface(paper, SERIF if style.serif else SANS)
    _settle(paper)
    return paper


def _settle(paper: Figure) -> None:
    """Lay the panels out once, at places that are the same each time: the solver's last digits are
    not, and an SVG's identifiers hold them.
    """
    paper.draw_without_rendering()
    paper.set_layout_engine("none")
    for axes in paper.axes:
        left, bottom, width, height = axes.get_position().bounds
        axes.set_position((round(left, 5), round(bottom, 5), round(width, 5), round(height, 5)))


def _size(chart: go.Figure, style: Style) -> tuple[float, float]:
    preset = style.preset
    pixels = chart.layout.height or USUAL_HEIGHT
    return preset.width, preset.height or pixels * preset.points / 72


def _values(values: Any) -> Any:
    return [] if values is None else values


def _names(
    grid: Grid, traces: Iterable[Any], panel: Panel
) -> tuple[list[str] | None, list[str] | None]:
    """The names along both axes of a panel, where they are not numbers."""
    own = [trace for trace in traces if grid.of(trace) is panel]
    return (
        on_axes.categories(panel.x, [_values(trace.x) for trace in own]),
        on_axes.categories(panel.y, [_values(trace.y) for trace in own]),
    )


def _trace(
    paper: Figure,
    trace: Any,
    traces: list[Any],
    grid: Grid,
    panel: Panel,
    names: tuple[list[str] | None, list[str] | None],
    palette: Palette,
    points: float,
    keys: Keys,
) -> None:
    x = on_axes.places(_values(trace.x), names[0])
    y = on_axes.places(_values(trace.y), names[1])
    if trace.type == "scatter":
        scatter = Scatter(trace, palette, points)
        scatter.draw(panel.axes, x, y)
        key: Artist = scatter.key()
    elif trace.type == "bar":
        beside = [other for other in traces if other.type == "bar" and grid.of(other) is panel]
        bars = Bars(trace, palette, points)
        bars.draw(panel.axes, x, y, beside.index(trace), len(beside))
        key = bars.key()
    else:
        heat_map(paper, panel.axes, trace, x, y, palette, points)
        return
    if trace.showlegend is not False and trace.name:
        keys.setdefault(label(trace.name), key)


def _head(paper: Figure, style: Style, keys: Keys) -> None:
    """The title, and the legend in as many columns as have room."""
    size = style.preset.text
    if style.legend == "none" or len(keys) < 2:
        if style.title:
            paper.suptitle(label(style.title), x=0.01, ha="left", fontsize=1.15 * size, color=TEXT)
        return
    room = style.preset.width * 72 * 0.98
    columns = 1 if style.legend == "right" else _columns(list(keys), room, size)
    legend = paper.legend(
        handles=list(keys.values()),
        labels=list(keys),
        loc=LEGENDS[style.legend],
        ncols=columns,
        fontsize=0.95 * size,
        labelcolor=TEXT,
        frameon=False,
        handlelength=3.2,
        columnspacing=1.4,
    )
    if style.title and style.legend == "top":  # the two are laid out together
        legend.set_title(label(style.title), FontProperties(size=1.15 * size))
        legend.set_alignment("left")
    elif style.title:
        paper.suptitle(label(style.title), x=0.01, ha="left", fontsize=1.15 * size, color=TEXT)


def _columns(names: list[str], room: float, size: float) -> int:
    """How many columns of these names fit into so many points; Matplotlib makes each as wide as its
    widest.
    """
    for columns in range(len(names), 1, -1):
        rows = int(np.ceil(len(names) / columns))
        parts = [names[start : start + rows] for start in range(0, len(names), rows)]
        letters = sum(max(map(len, part)) for part in parts)
        if size * (0.6 * letters + 5.6 * len(parts)) <= room:
            return columns
    return 1


def _typeface(paper: Figure, family: str) -> None:
    """One typeface for every text, with signs that it lacks from one that has all."""
    for artist in paper.findobj(lambda one: hasattr(one, "set_fontfamily")):
        artist.set_fontfamily([family, SANS, "Last Resort High-Efficiency"])  # type: ignore[attr-defined]

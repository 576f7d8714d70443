"""The figure of a paper: one panel a measure over sparsity, one curve a method. Frame in, Plotly
figure out.
"""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prunescope.app.charts.curves import (
    AXES,
    LOOKS,
    Curves,
    curve_trace,
    decades,
    interval_band,
    solid,
)
from prunescope.app.charts.palette import STUDIES
from prunescope.app.charts.style import dressed
from prunescope.engine.reading import glossary

MEASURES = ("acc", "aua", "asr", "cls_error", "size")
PANEL, BETWEEN = 190, 46  # pixels: the height of a panel, and what lies between two


def paper_figure(studies: Curves, names: Sequence[str], columns: int = 1) -> go.Figure:
    """Panels of some measures, so many beside one another; `studies` are methods as a paper names
    them. Collapsed models are faded, and have no Aua and no Asr.
    """
    columns = min(columns, len(names))
    rows = math.ceil(len(names) / columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        horizontal_spacing=0.2 / columns,
        vertical_spacing=BETWEEN / (PANEL * rows + BETWEEN * (rows - 1)) if rows > 1 else 0,
    )
    for index, name in enumerate(names):
        _panel(figure, studies, name, index // columns + 1, index % columns + 1)
    dressed(figure, False, PANEL * rows + BETWEEN * (rows - 1) + 80)
    figure.update_xaxes(range=[-3, 100], ticksuffix="%", dtick=25, showgrid=False)
    for column in range(1, columns + 1):
        last = math.ceil((len(names) - column + 1) / columns)
        figure.update_xaxes(title_text="sparsity", row=last, col=column)
    return figure.update_layout(showlegend=len(studies) > 1)


def _panel(figure: go.Figure, studies: Curves, name: str, row: int, column: int) -> None:
    kind = LOOKS[name].kind
    shown = []
    for (title, frame), look in zip(studies, STUDIES, strict=False):
        frame = frame.assign(size=frame["packed_bytes"] / 1e6)
        frame = frame[frame[name].notna() & ((frame[name] > 0) | (kind != "error"))]
        if frame.empty:
            continue
        if f"{name}_low" in frame:
            interval_band(figure, solid(frame), name, look[0], True, row=row, col=column)
        curve_trace(figure, frame, name, title, look, True, row=row, col=column)
        shown.append(frame)
    settings = dict(AXES[kind][1])
    if kind == "error":
        settings["range"] = decades(shown, [name])
    if kind == "rate":
        settings = {"ticksuffix": "%", "nticks": 6, "range": _range(shown, name)}
    measure = glossary.measure(name)
    own = {"rate": f"{measure.name} ({measure.symbol})", "error": measure.symbol}
    figure.update_yaxes(title_text=own.get(kind, measure.name), row=row, col=column, **settings)


def _range(frames: Sequence[pd.DataFrame], name: str) -> list[float]:
    """The tens around all curves and their intervals, collapsed accuracy included."""
    lows = [
        frame[f"{name}_low"].min() if name == "acc" else solid(frame)[f"{name}_low"].min()
        for frame in frames
    ]
    highs = [solid(frame)[f"{name}_high"].max() for frame in frames]
    low = min((float(value) for value in lows if value == value), default=0.0)
    high = max((float(value) for value in highs if value == value), default=100.0)
    return [10.0 * math.floor(low / 10), min(100.0, 10.0 * math.ceil(high / 10))]

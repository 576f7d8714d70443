"""A heat map on paper: cells with their numbers, and the scale beside them."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from prunescope.app.charts.light import PAPER, TEXT
from prunescope.app.charts.paper.colours import Palette, brightness
from prunescope.app.charts.paper.text import label

DARK = 0.55  # a cell less bright than this has a white number


def heat_map(
    paper: Figure, axes: Axes, trace: Any, x: np.ndarray, y: np.ndarray, palette: Palette, pt: float
) -> None:
    """Draw it; `x` and `y` are the middles of the cells, one apart, `pt` points of a pixel."""
    z = np.array([[np.nan if cell is None else cell for cell in row] for row in trace.z], float)
    scale = palette.scale(trace.colorscale)
    norm = Normalize(
        np.nanmin(z) if trace.zmin is None else trace.zmin,
        np.nanmax(z) if trace.zmax is None else trace.zmax,
    )
    mesh = axes.pcolormesh(
        np.append(x - 0.5, x[-1] + 0.5),
        np.append(y - 0.5, y[-1] + 0.5),
        z,
        cmap=scale,
        norm=norm,
        edgecolors=PAPER,
        linewidth=(trace.xgap or 0) * pt,
        antialiased=True,
    )
    axes.set_xlim(x[0] - 0.5, x[-1] + 0.5)
    axes.set_ylim(y[0] - 0.5, y[-1] + 0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if trace.texttemplate:
        _numbers(axes, trace, (x, y), scale(norm(z)), pt)
    if trace.showscale is not False:
        _scale(paper, axes, trace, mesh, pt)


def _numbers(
    axes: Axes, trace: Any, middles: tuple[np.ndarray, np.ndarray], colours: Any, pt: float
) -> None:
    if trace.texttemplate != "%{text}":
        raise ValueError(f"the text {trace.texttemplate!r} cannot be drawn on paper")
    for row, (at_y, texts) in enumerate(zip(middles[1], trace.text, strict=True)):
        for column, (at_x, text) in enumerate(zip(middles[0], texts, strict=True)):
            dark = brightness(colours[row][column]) < DARK
            axes.text(
                at_x,
                at_y,
                label(text),
                ha="center",
                va="center",
                color=PAPER if dark else TEXT,
                fontsize=(trace.textfont.size or 12) * pt,
            )


def _scale(paper: Figure, axes: Axes, trace: Any, mesh: Any, pt: float) -> None:
    bar = paper.colorbar(mesh, ax=axes, fraction=0.05, pad=0.02, aspect=24)
    bar.outline.set_visible(False)
    settings = trace.colorbar
    if settings.tickvals is not None:
        texts = settings.tickvals if settings.ticktext is None else settings.ticktext
        bar.set_ticks(list(settings.tickvals), labels=[label(text) for text in texts])
        bar.minorticks_off()
    bar.ax.tick_params(labelsize=11 * pt, labelcolor=TEXT, length=0)
    bar.set_label(label(settings.title.text), fontsize=12 * pt, color=TEXT)

"""What stands on a chart beside its traces: shapes and annotations."""

from typing import Any

from matplotlib.patches import Rectangle
from matplotlib.transforms import Transform

from prunescope.app.charts.paper.colours import Palette, rgba
from prunescope.app.charts.paper.grid import Domain, Grid, Panel, Place, transform
from prunescope.app.charts.paper.text import label
from prunescope.app.charts.paper.traces import DASHES, STROKE

ACROSS = {"left": "left", "center": "center", "right": "right", "auto": "center", None: "center"}
BELOW, ABOVE = 1.0, 2.0  # of shapes: under everything, and over the bands
UP = {"top": "top", "middle": "center", "bottom": "bottom", "auto": "center", None: "center"}


def shape(grid: Grid, mark: Any, palette: Palette, points: float) -> None:
    """A line or a rectangle, in every panel that it crosses."""
    if mark.type not in ("line", "rect"):
        raise ValueError(f"the shape {mark.type!r} cannot be drawn on paper")
    x, y = Place(mark.xref or "x", mark.x0), Place(mark.yref or "y", mark.y0)
    for panel in grid.across(x, y):
        (_line if mark.type == "line" else _rectangle)(panel, mark, palette, points)


def _line(panel: Panel, mark: Any, palette: Palette, points: float) -> None:
    panel.axes.plot(
        [mark.x0, mark.x1],
        [mark.y0, mark.y1],
        transform=_transform(panel, mark),
        color=palette.mark(mark.line.color),
        linewidth=STROKE * (2 if mark.line.width is None else mark.line.width) * points,
        linestyle=DASHES[mark.line.dash],
        alpha=1.0 if mark.opacity is None else mark.opacity,
        zorder=BELOW if mark.layer == "below" else ABOVE,
        scalex=False,
        scaley=False,
    )


def _rectangle(panel: Panel, mark: Any, palette: Palette, points: float) -> None:
    panel.axes.add_patch(
        Rectangle(
            (mark.x0, mark.y0),
            mark.x1 - mark.x0,
            mark.y1 - mark.y0,
            transform=_transform(panel, mark),
            facecolor=palette.mark(mark.fillcolor, "#FFFFFF00"),
            edgecolor=palette.mark(mark.line.color) if mark.line.width else "none",
            linewidth=STROKE * (mark.line.width or 0) * points,
            alpha=mark.opacity,
            zorder=BELOW if mark.layer == "below" else ABOVE,
        )
    )


def _transform(panel: Panel, mark: Any) -> Transform:
    return transform(panel, Place(mark.xref or "x", mark.x0), Place(mark.yref or "y", mark.y0))


def annotation(grid: Grid, mark: Any, palette: Palette, points: float) -> None:
    """A text at a point, with a line to it where it stands beside it."""
    x, y = Place(mark.xref or "x", mark.x), Place(mark.yref or "y", mark.y)
    panel = grid.near(x, y)
    at = (
        x.value if x.axis else _part(panel.across, x.value),
        y.value if y.axis else _part(panel.up, y.value),
    )
    ground = None
    if mark.bgcolor and rgba(mark.bgcolor)[3]:
        ground = {
            "facecolor": rgba(mark.bgcolor),
            "edgecolor": "none",
            "pad": (mark.borderpad or 1) * points,
        }
    beside = mark.showarrow is not False
    shift = (float(mark.ax or 0), -float(mark.ay or 0)) if beside else (0.0, 0.0)
    if not beside:
        shift = (float(mark.xshift or 0), float(mark.yshift or 0))
    panel.axes.annotate(
        label(mark.text),
        at,
        (shift[0] * points, shift[1] * points),
        xycoords=transform(panel, x, y),
        textcoords="offset points",
        ha=ACROSS[mark.xanchor],
        va=UP[mark.yanchor],
        color=palette.mark(mark.font.color),
        fontsize=(mark.font.size or 12) * points,
        bbox=ground,
        annotation_clip=False,
        zorder=6,
        arrowprops={
            "arrowstyle": "-",
            "color": palette.mark(mark.arrowcolor),
            "linewidth": (mark.arrowwidth or 1) * points,
            "shrinkA": 0,
            "shrinkB": (mark.standoff or 0) * points,
        }
        if beside
        else None,
    )


def _part(domain: Domain, value: float) -> float:
    """A part of the whole paper as a part of a panel."""
    return (value - domain[0]) / (domain[1] - domain[0])

"""The traces of a panel: lines, markers, error bars, bands, texts, bars."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from prunescope.app.charts.light import PAPER
from prunescope.app.charts.paper.colours import Palette
from prunescope.app.charts.paper.text import label

DASHES: dict[str | None, Any] = {  # in widths of the line
    None: "solid",
    "solid": "solid",
    "dot": (0, (1, 1.6)),
    "dash": (0, (4, 2)),
    "longdash": (0, (7.5, 2.2)),
    "dashdot": (0, (5, 1.8, 1, 1.8)),
    "longdashdot": (0, (9, 1.8, 1, 1.8)),
}
STEPS = {None: "default", "linear": "default", "hv": "steps-post", "vh": "steps-pre"}
MARKERS: dict[str, tuple[Any, float]] = {  # Matplotlib's name, and its size beside Plotly's
    "circle": ("o", 1.0),
    "square": ("s", 0.93),
    "diamond": ("D", 0.85),
    "triangle-up": ("^", 1.1),
    "triangle-down": ("v", 1.1),
    "cross": ("P", 1.1),
    "x": ("X", 1.1),
    "star": ("*", 1.45),
    "triangle-left": ("<", 1.1),
    "triangle-right": (">", 1.1),
    "diamond-tall": ("d", 1.1),
    "star-square": ((4, 1, 45), 1.3),  # so many points, a star, turned by so much
    "star-diamond": ((4, 1, 0), 1.3),
    "star-triangle-up": ((3, 1, 0), 1.3),
    "star-triangle-down": ((3, 1, 180), 1.3),
    "hexagram": ((6, 1, 0), 1.3),
    "x-thin": ("x", 1.0),
    "cross-thin": ("+", 1.0),
    "hexagon": ("h", 1.1),
    "pentagon": ("p", 1.1),
}
STROKE = 0.8  # of a line's width: print is finer than a screen
ANCHORS = {"top": "bottom", "middle": "center", "bottom": "top"}  # of a text beside its point
RIGHT = {"left": -1, "center": 0, "right": 1}
ABOVE = {"bottom": -1, "middle": 0, "top": 1}
SIDES = {"left": "right", "center": "center", "right": "left"}
Floats = np.ndarray


class Look(NamedTuple):
    """How one marker is drawn."""

    symbol: str
    size: float
    opacity: float
    colour: Any


class Scatter:
    """One trace of lines, markers, bars of error and texts, in points of the page."""

    def __init__(self, trace: Any, palette: Palette, points: float) -> None:
        self.trace, self.palette, self.points = trace, palette, points
        self.mode = str(trace.mode or "lines+markers").split("+")
        colour = trace.marker.color if isinstance(trace.marker.color, str) else None
        self.colour = palette.mark(trace.line.color or colour)
        self.alpha = 1.0 if trace.opacity is None else float(trace.opacity)

    def draw(self, axes: Axes, x: Floats, y: Floats) -> None:
        """Everything of the trace; `x` and `y` are places on the axes."""
        if self.trace.fill is not None:
            self._band(axes, x, y)
            return
        self._errors(axes, x, y)
        if "lines" in self.mode and (self.trace.line.width is None or self.trace.line.width > 0):
            axes.plot(x, y, zorder=3, alpha=self.alpha, **self._line())
        if "markers" in self.mode:
            self._markers(axes, x, y)
        if "text" in self.mode:
            self._texts(axes, x, y)

    def key(self) -> Line2D:
        """The trace in the legend: its line and its first marker."""
        style: dict[str, Any] = self._line() if "lines" in self.mode else {"linestyle": "none"}
        style.pop("drawstyle", None)
        if "markers" in self.mode:
            looks = self._looks(1 if self.trace.x is None else len(self.trace.x))
            style |= self._marker(looks[0]) if looks else {}
        return Line2D([], [], alpha=self.alpha, **style)

    def _line(self) -> dict[str, Any]:
        line = self.trace.line
        return {
            "color": self.colour,
            "linestyle": DASHES[line.dash],
            "linewidth": STROKE * (2 if line.width is None else line.width) * self.points,
            "drawstyle": STEPS[line.shape],
            "dash_capstyle": "butt",
        }

    def _looks(self, count: int) -> list[Look]:
        """How every marker is drawn."""
        marker = self.trace.marker
        opacity = 1.0 if marker.opacity is None else marker.opacity
        parts = (marker.symbol or "circle", marker.size or 6, opacity, marker.color)
        return list(map(Look, *(_each(part, count) for part in parts)))

    def _marker(self, look: Look) -> dict[str, Any]:
        hollow, edge = look.symbol.endswith("-open"), self.trace.marker.line
        name = look.symbol.removesuffix("-open")
        if name not in MARKERS:
            raise ValueError(f"the marker {look.symbol!r} cannot be drawn on paper")
        shape, share = MARKERS[name]
        lined = hollow or name.endswith("-thin")
        colour = self.palette.mark(look.colour) if look.colour else self.colour
        width = edge.width if isinstance(edge.width, int | float) else 0.0
        return {
            "marker": shape,
            "markersize": 0.9 * share * look.size * self.points,
            "markerfacecolor": PAPER if hollow else colour,
            "markeredgecolor": self.palette.mark(edge.color) if edge.color else colour,
            "markeredgewidth": STROKE * max(width, 1.4 if lined else 0.0) * self.points,
        }

    def _markers(self, axes: Axes, x: Floats, y: Floats) -> None:
        looks = self._looks(len(x))
        for look in dict.fromkeys(looks):
            part = np.array([other == look for other in looks])
            axes.plot(
                x[part],
                y[part],
                linestyle="none",
                zorder=4,
                alpha=look.opacity * self.alpha,
                clip_on=self.trace.cliponaxis is not False,
                **self._marker(look),
            )

    def _errors(self, axes: Axes, x: Floats, y: Floats) -> None:
        for sideways, bars in ((True, self.trace.error_x), (False, self.trace.error_y)):
            if bars.array is None:
                continue
            lengths = _lengths(bars)
            axes.errorbar(
                x,
                y,
                xerr=lengths if sideways else None,
                yerr=None if sideways else lengths,
                fmt="none",
                ecolor=self.palette.mark(bars.color) if bars.color else self.colour,
                elinewidth=STROKE * (bars.thickness or 2) * self.points,
                capsize=(4 if bars.width is None else bars.width) * self.points / 2,
                zorder=2.5,
                alpha=self.alpha,
            )

    def _band(self, axes: Axes, x: Floats, y: Floats) -> None:
        if self.trace.fill != "toself":
            raise ValueError(f"the fill {self.trace.fill!r} cannot be drawn on paper")
        there = ~(np.isnan(x) | np.isnan(y))
        colour = self.palette.mark(self.trace.fillcolor)
        axes.fill(x[there], y[there], facecolor=colour, edgecolor="none", zorder=1.5)

    def _texts(self, axes: Axes, x: Floats, y: Floats) -> None:
        texts = _each(self.trace.text, len(x))
        positions = _each(self.trace.textposition or "middle center", len(x))
        font = self.trace.textfont
        gap = (3 if "markers" in self.mode else 0) * self.points
        for at_x, at_y, text, position in zip(x, y, texts, positions, strict=True):
            up, side = position.split()
            axes.annotate(
                label(text),
                (at_x, at_y),
                (RIGHT[side] * gap, ABOVE[up] * gap),
                textcoords="offset points",
                ha=SIDES[side],
                va=ANCHORS[up],
                color=self.palette.mark(font.color),
                fontsize=(font.size or 12) * self.points,
                annotation_clip=False,
                zorder=5,
            )


class Bars:
    """One trace of bars; several of a panel stand beside one another."""

    def __init__(self, trace: Any, palette: Palette, points: float) -> None:
        self.trace, self.points = trace, points
        self.colour = palette.mark(trace.marker.color)
        self.error = palette.mark(trace.error_y.color or trace.error_x.color)

    def draw(self, axes: Axes, x: Floats, y: Floats, index: int, count: int) -> None:
        """The bars of the trace that is the `index`th of `count` in its panel."""
        sideways = self.trace.orientation == "h"
        at, length = (y, x) if sideways else (x, y)
        wide = 0.8 / count
        middle = at - 0.4 + wide * (index + 0.5)
        (axes.barh if sideways else axes.bar)(middle, length, 0.94 * wide, color=self.colour)
        bars = self.trace.error_x if sideways else self.trace.error_y
        if bars.array is not None:
            lengths = _lengths(bars)
            axes.errorbar(
                length if sideways else middle,
                middle if sideways else length,
                xerr=lengths if sideways else None,
                yerr=None if sideways else lengths,
                fmt="none",
                ecolor=self.error,
                elinewidth=STROKE * 1.4 * self.points,
                capsize=2 * self.points,
            )

    def key(self) -> Patch:
        """The trace in the legend."""
        return Patch(facecolor=self.colour)


def _each(value: Any, count: int) -> list[Any]:
    """One value a point, where there is one for all."""
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        return list(value)
    return [value] * count


def _lengths(bars: Any) -> Floats:
    """(down, up) of bars of error; none is negative, and none is drawn where there is none."""
    up = bars.array
    down = up if bars.arrayminus is None else bars.arrayminus
    parts = [[np.nan if value is None else value for value in values] for values in (down, up)]
    lengths: Floats = np.maximum(np.array(parts, dtype=float), 0.0)
    return lengths

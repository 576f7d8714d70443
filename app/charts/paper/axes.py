"""The axes of a panel: categories, limits, ticks, titles and faint lines."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, MultipleLocator, NullFormatter

from prunescope.app.charts.light import FAINT, TEXT
from prunescope.app.charts.paper.grid import Grid, Panel
from prunescope.app.charts.paper.text import label

SMALL = 0.9  # of a tick's text beside a title's


def categories(settings: Any, values: Iterable[Sequence[Any]]) -> list[str] | None:
    """The names along an axis in their order; None for an axis of numbers."""
    texts = [value for part in values for value in part if isinstance(value, str)]
    if settings.type not in (None, "category", "-") or not (texts or settings.type == "category"):
        return None
    first = list(settings.categoryarray) if settings.categoryarray is not None else []
    return list(dict.fromkeys([*map(str, first), *texts]))


def places(values: Sequence[Any], names: list[str] | None) -> np.ndarray:
    """Where values stand on an axis; what is missing is nan."""
    if names is not None:
        return np.array([names.index(str(value)) for value in values], dtype=float)
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def dress(panel: Panel, names: tuple[list[str] | None, list[str] | None], size: float) -> None:
    """Limits, ticks, titles and lines of a panel, after everything in it is drawn."""
    axes = panel.axes
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color="#8A9099", linewidth=0.06 * size)
    axes.set_axisbelow(True)
    for which, settings, own in (("x", panel.x, names[0]), ("y", panel.y, names[1])):
        axis = axes.xaxis if which == "x" else axes.yaxis
        if settings.type == "log":
            (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        _limits(axes, which, settings, own)
        _ticks(axis, settings, own, size)
        if settings.showgrid is not False:
            axis.grid(True, which="major", color=FAINT, linewidth=0.07 * size)
        axis.set_label_text(label(settings.title.text), fontsize=size, color=TEXT)
    if panel.y.scaleanchor:
        axes.set_aspect("equal", adjustable="box" if panel.y.constrain == "domain" else "datalim")


def _limits(axes: Axes, which: str, settings: Any, names: list[str] | None) -> None:
    get, put = (axes.get_xlim, axes.set_xlim) if which == "x" else (axes.get_ylim, axes.set_ylim)
    if settings.range is not None:
        low, high = settings.range
        if settings.type == "log":
            low, high = 10**low, 10**high
        put(low, high)
    elif names is not None:
        put(-0.6, len(names) - 0.4)
    elif settings.rangemode == "tozero":
        low, high = get()
        put(min(low, 0.0) if low < -0.06 * (high - low) else 0.0, high)
    if settings.autorange == "reversed":
        put(*reversed(get()))


def _ticks(axis: Axis, settings: Any, names: list[str] | None, size: float) -> None:
    show = settings.showticklabels is not False
    axis.set_tick_params(
        which="major",
        labelsize=SMALL * size,
        labelcolor=TEXT,
        color="#8A9099",
        width=0.06 * size,
        length=0.0 if settings.ticks == "" else 0.3 * size,
        labelbottom=show,
        labelleft=show,
    )
    axis.set_tick_params(which="minor", length=0)
    axis.set_minor_formatter(NullFormatter())
    if settings.tickformat:
        raise ValueError(f"the tick format {settings.tickformat!r} cannot be drawn on paper")
    values, texts = settings.tickvals, settings.ticktext
    if values is None and names is not None:
        values, texts = range(len(names)), names
    if values is not None:
        shown = [_text(settings)(value, 0) for value in values] if texts is None else texts
        axis.set_ticks(list(values), [label(text) for text in shown])
        # what was set reaches beyond the limits: ticks outside would widen them
        axis.set_view_interval(*axis.get_view_interval(), ignore=True)
    else:
        _locate(axis, settings)
    if settings.tickangle:
        angle = -float(settings.tickangle)
        for tick in axis.get_ticklabels():
            tick.set(rotation=angle, rotation_mode="anchor", ha="right", va="center_baseline")


def _locate(axis: Axis, settings: Any) -> None:
    if settings.type == "log":
        axis.set_major_locator(LogLocator(numticks=8))
    elif settings.dtick is not None:
        axis.set_major_locator(MultipleLocator(float(settings.dtick)))
    else:
        axis.set_major_locator(MaxNLocator(settings.nticks or 6))
    axis.set_major_formatter(FuncFormatter(_text(settings)))


def _text(settings: Any) -> Callable[[float, Any], str]:
    prefix, suffix = label(settings.tickprefix), label(settings.ticksuffix)

    def text(value: float, _: Any) -> str:
        number = f"{0.0 if math.isclose(value, 0, abs_tol=1e-12) else value:g}"
        return f"{prefix}{number.replace('-', '−')}{suffix}"

    return text


def match(grid: Grid) -> None:
    """Give axes that follow one another the same limits: those of all that is drawn along them."""
    for which in ("x", "y"):
        groups: dict[str, list[Axes]] = {}
        for name, panel in grid.panels.items():
            own = name[: name.index("y")] if which == "x" else name[name.index("y") :]
            settings = panel.x if which == "x" else panel.y
            if settings.range is None and settings.autorange != "reversed":
                groups.setdefault(settings.matches or own, []).append(panel.axes)
        for group in (group for group in groups.values() if len(group) > 1):
            limits = np.array([getattr(axes, f"get_{which}lim")() for axes in group])
            for axes in group:
                getattr(axes, f"set_{which}lim")(limits.min(), limits.max())

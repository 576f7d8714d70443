"""Where the panels of a Plotly figure stand, as Matplotlib axes; and its coordinates on them."""

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Transform, blended_transform_factory

Domain = tuple[float, float]
WHOLE: Domain = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: Plotly's settings of both, and Matplotlib's axes."""

    x: Any
    y: Any
    axes: Axes
    across: Domain
    up: Domain


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mark stands along one direction, as Plotly names it."""

    reference: str  # "x2", "x2 domain", "paper"
    value: Any

    @property
    def axis(self) -> str | None:
        """The axis: `x2 domain` → "x2"; None for the whole paper."""
        name = self.reference.partition(" ")[0]
        return None if name == "paper" else name

    @property
    def in_data(self) -> bool:
        """Whether the value is one of the data, not a part of the panel or of the paper."""
        return self.axis is not None and not self.reference.endswith("domain")


class Grid:
    """The panels by the name of their axes: "x2y2"."""

    def __init__(self, chart: go.Figure, paper: Figure) -> None:
        pairs = _pairs(chart)
        columns = sorted({_domain(x) for x, _ in pairs.values()})
        rows = sorted({_domain(y) for _, y in pairs.values()}, reverse=True)
        spec = paper.add_gridspec(
            len(rows),
            len(columns),
            width_ratios=[high - low for low, high in columns],
            height_ratios=[high - low for low, high in rows],
        )
        self.panels = {
            name: Panel(
                x,
                y,
                paper.add_subplot(spec[rows.index(_domain(y)), columns.index(_domain(x))]),
                _domain(x),
                _domain(y),
            )
            for name, (x, y) in pairs.items()
        }

    def of(self, trace: Any) -> Panel:
        """The panel that a trace is drawn in."""
        return self.panels[f"{trace.xaxis or 'x'}{trace.yaxis or 'y'}"]

    def near(self, x: Place, y: Place) -> Panel:
        """The panel that a mark stands in: that of its axes, else the one at its place."""
        for name, panel in self.panels.items():
            own_x, own_y = name[: name.index("y")], name[name.index("y") :]
            if x.axis in (own_x, None) and y.axis in (own_y, None) and (x.axis or y.axis):
                return panel
        return min(
            self.panels.values(),
            key=lambda panel: _beyond(panel.across, x.value) + _beyond(panel.up, y.value),
        )

    def across(self, x: Place, y: Place) -> list[Panel]:
        """The panels that a shape stands in: all of its column or row where it crosses the whole
        paper.
        """
        panel = self.near(x, y)
        if x.axis and y.axis is None:
            return [other for other in self.panels.values() if other.across == panel.across]
        if y.axis and x.axis is None:
            return [other for other in self.panels.values() if other.up == panel.up]
        return [panel]


def transform(panel: Panel, x: Place, y: Place) -> Transform:
    """The coordinates of a mark: data, or parts of the panel."""
    data, parts = panel.axes.transData, panel.axes.transAxes
    return blended_transform_factory(*(data if side.in_data else parts for side in (x, y)))


def _pairs(chart: go.Figure) -> dict[str, tuple[Any, Any]]:
    """The axes' settings of every pair that a trace uses."""
    names = dict.fromkeys((trace.xaxis or "x", trace.yaxis or "y") for trace in chart.data)
    return {
        x + y: (chart.layout[f"xaxis{x[1:]}"], chart.layout[f"yaxis{y[1:]}"])
        for x, y in names or [("x", "y")]
    }


def _domain(axis: Any) -> Domain:
    if axis.overlaying:
        raise ValueError("an axis over another axis cannot be drawn on paper")
    return tuple(axis.domain) if axis.domain else WHOLE


def _beyond(domain: Domain, value: float) -> float:
    """How far a part of the paper lies outside a panel."""
    return max(domain[0] - value, value - domain[1], 0.0)

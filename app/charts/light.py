"""Charts that leave the page stand on a white one, however dark the page was that they leave."""

import json
from typing import Any

import plotly.graph_objects as go

from prunescope.app.charts.palette import INKS, PAGE

TEXT, FAINT, PAPER = "#1F2328", "#E3E6EA", PAGE[False]
_LIGHT = {dark.upper(): light for light, dark in INKS.values()} | {
    PAGE[True].upper(): PAPER,
    "#E8EAED": TEXT,  # numbers in cells
    "#2B313A": FAINT,  # lines of the grid
}


def on_light(colour: str) -> str:
    """The colour on a light page of what has this colour on a dark one; others stay."""
    return _LIGHT.get(colour.upper(), colour)


def lightened(figure: go.Figure) -> dict[str, Any]:
    """The figure as plain values, in the light page's colours."""
    values: dict[str, Any] = _walk(json.loads(figure.to_json()))
    return values


def _walk(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _walk(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(part) for part in value]
    return on_light(value) if isinstance(value, str) and value.startswith("#") else value

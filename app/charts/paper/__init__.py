"""Charts as files for a paper: a Plotly figure in, PNG, SVG or PDF out, drawn by Matplotlib.

A file is drawn on the server from the figure alone: it has no cursor, needs no browser, is the same
byte for byte each time, and carries in its metadata where its numbers come from. Matplotlib takes a
second to import, so nothing imports this package before a file is asked for.
"""

from prunescope.app.charts.paper.draw import drawn
from prunescope.app.charts.paper.save import FORMATS, to_bytes
from prunescope.app.charts.paper.style import DOUBLE, PRESETS, SINGLE, SLIDE, Preset, Style

__all__ = [
    "DOUBLE",
    "FORMATS",
    "PRESETS",
    "SINGLE",
    "SLIDE",
    "Preset",
    "Style",
    "drawn",
    "to_bytes",
]

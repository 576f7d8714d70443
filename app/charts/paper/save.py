"""A chart as the bytes of a file, with where its numbers come from in the file's metadata."""

import io
from collections.abc import Mapping
from threading import Lock
from typing import Any

import matplotlib
import plotly.graph_objects as go

from prunescope.app.charts.paper.draw import drawn
from prunescope.app.charts.paper.style import Style
from prunescope.app.charts.text import visible

FORMATS = ("png", "svg", "pdf")
# Fonts as TrueType, which journals ask for; identifiers that do not change from run to run
matplotlib.rcParams.update(
    {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "prunescope"}
)
_LOCK = Lock()  # Matplotlib's fonts are not made for several threads


def to_bytes(chart: go.Figure, style: Style, kind: str, about: Mapping[str, object]) -> bytes:
    """The file: "png", "svg" or "pdf". The same chart is the same bytes."""
    if kind not in FORMATS:
        raise ValueError(f"{kind!r} is no format of a figure; use one of {', '.join(FORMATS)}")
    title = style.title or str(about.get("title", "")) or "PruneScope"
    metadata, out = _metadata(kind, visible(title), _description(about)), io.BytesIO()
    with _LOCK:
        paper = drawn(chart, style)
        paper.savefig(out, format=kind, dpi=style.dots or style.preset.dots, metadata=metadata)
    return out.getvalue()


def _metadata(kind: str, title: str, description: str) -> dict[str, Any]:
    """In the words of each format; a date would change the bytes."""
    if kind == "png":
        return {"Title": title, "Description": description, "Software": "PruneScope"}
    if kind == "svg":
        more = {"Creator": "PruneScope", "Date": None}
        return {"Title": title, "Description": description, **more}
    more = {"Creator": "PruneScope", "CreationDate": None}
    return {"Title": title, "Subject": description, **more}


def _description(about: Mapping[str, object]) -> str:
    lines = (f"{name}: {' '.join(str(value).split())}" for name, value in about.items())
    return "\n".join(map(visible, lines))

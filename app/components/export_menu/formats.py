"""The formats of the Download menu, and the bytes of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts import files

if TYPE_CHECKING:
    from prunescope.app.charts.paper import Style

About: TypeAlias = dict[str, object]
Drawing: TypeAlias = go.Figure | Callable[[], go.Figure]


@dataclass(frozen=True, slots=True)
class Format:
    """One button of the menu."""

    kind: str
    title: str
    ending: str
    mime: str


_ALL = (
    Format("png", "PNG", "png", "image/png"),
    Format("svg", "SVG", "svg", "image/svg+xml"),
    Format("pdf", "PDF", "pdf", "application/pdf"),
    Format("html", "HTML", "html", "text/html"),
    Format("csv", "CSV", "csv", "text/csv"),
    Format("json", "JSON", "json", "application/json"),
    Format("markdown", "Markdown", "md", "text/markdown"),
    Format("latex", "LaTeX", "tex", "text/x-tex"),
)
FORMATS = {one.kind: one for one in _ALL}
FIGURE = tuple(FORMATS[kind] for kind in ("png", "svg", "pdf", "html"))
DATA = tuple(FORMATS[kind] for kind in ("csv", "json"))
TABLE = tuple(FORMATS[kind] for kind in ("csv", "markdown", "latex", "json"))
_TEXTS: Mapping[str, Callable[[pd.DataFrame, About], str]] = {
    "csv": files.to_csv,
    "json": files.to_json,
    "markdown": files.to_markdown,
    "latex": files.to_latex,
}


@dataclass(frozen=True, slots=True)
class Source:
    """What the files of one menu are made of."""

    frame: pd.DataFrame
    about: About
    title: str
    figure: Drawing | None = None

    def drawn(self) -> go.Figure:
        """The figure, built now where it was not needed before."""
        assert self.figure is not None, "only a chart has figures to download"
        return self.figure() if callable(self.figure) else self.figure


def file_of(kind: str, source: Source, style: "Style | None" = None) -> bytes:
    """The bytes of a file of this format."""
    if kind in _TEXTS:
        return _TEXTS[kind](source.frame, source.about).encode()
    if kind == "html":
        return files.chart_html(source.title, source.frame, source.about, source.drawn()).encode()
    from prunescope.app.charts import paper  # a second to import: not before a file is asked for

    about = {"title": source.title, **source.about}
    return paper.to_bytes(source.drawn(), style or paper.Style(), kind, about)

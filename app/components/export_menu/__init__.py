"""A chart, and buttons under it or under a table. Pictures are made in the browser, files on the
server when asked for.

A picture is the chart as it stands on the page, through its own Plotly camera button, so it needs
no server and no installed Chrome. The stand-alone HTML is the same chart with Plotly inside.
Nothing of a file travels before its button is pressed.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from prunescope.app.charts import files
from prunescope.app.charts.curves import CONFIG
from prunescope.app.components.browser_component import browser_component

FOLDER = str(Path(__file__).parent)

TITLES = {
    "png": "PNG",
    "svg": "SVG",
    "html": "HTML",
    "csv": "CSV",
    "json": "JSON",
    "markdown": "Markdown",
    "latex": "LaTeX",
}
KINDS = {
    "html": ("html", "text/html"),
    "csv": ("csv", "text/csv"),
    "json": ("json", "application/json"),
    "markdown": ("md", "text/markdown"),
    "latex": ("tex", "text/x-tex"),
}


def chart(figure: go.Figure, key: str, description: str) -> None:
    """A chart of the page's own look; `description` is for those who do not see it."""
    st.plotly_chart(figure, key=key, config=CONFIG, theme=None, alt=description)


def export_bar(chart: str, name: str, frame: pd.DataFrame, about: dict[str, object]) -> None:
    """The buttons for the chart whose key is `chart`; `frame` is the data behind it, `about` where
    that comes from.
    """
    _bar(f"export-{chart}", ("png", "svg", "html", "csv", "json"), chart, name, frame, about)


def table_bar(name: str, frame: pd.DataFrame, about: dict[str, object]) -> None:
    """The buttons for a table. `name` is the file's and must be the page's only one."""
    _bar(f"table-{name}", ("csv", "markdown", "latex", "json"), "", name, frame, about)


@st.fragment
def _bar(
    key: str,
    formats: tuple[str, ...],
    chart: str,
    name: str,
    frame: pd.DataFrame,
    about: dict[str, object],
) -> None:
    request = (st.session_state.get(key) or {}).get("ask")
    browser_component(FOLDER, "export")(
        key=key,
        on_ask_change=lambda: None,
        data={
            "bar": key,
            "chart": chart,
            "name": name,
            "formats": formats,
            "titles": TITLES,
            "place": files.PLACE,
            "label": f"Export {name}",
            "file": file_of(request, name, frame, about) if request else None,
        },
    )


def file_of(
    request: dict[str, Any], name: str, frame: pd.DataFrame, about: dict[str, object]
) -> dict[str, Any]:
    """The file that a button downloads."""
    kind = request["format"]
    if kind == "html":
        text = files.chart_html(name, frame, about, request["drawn"])
    else:
        make = {
            "csv": files.to_csv,
            "json": files.to_json,
            "markdown": files.to_markdown,
            "latex": files.to_latex,
        }
        text = make[kind](frame, about)
    ending, media_type = KINDS[kind]
    return {
        "number": request["number"],
        "format": kind,
        "text": text,
        "ending": ending,
        "type": f"{media_type};charset=utf-8",
    }

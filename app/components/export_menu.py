"""A chart, and buttons under it or under a table. Pictures are made in the browser, files on the
server when asked for.

A picture is the chart as it stands on the page, through its own Plotly camera button, so it needs
no server and no installed Chrome. The stand-alone HTML is the same chart with Plotly inside.
Nothing of a file travels before its button is pressed.
"""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from prunescope.app.charts import files
from prunescope.app.charts.curves import CONFIG

HTML = """<div class="bar" role="group"><span></span><output></output></div>"""
CSS = """
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; font-family: var(--st-font); font-size: .8125rem;
       color: var(--st-text-color); }
button { font: inherit; color: inherit; background: transparent; border: 1px solid var(--st-border-color);
         border-radius: 6px; padding: 2px .65rem; min-height: 1.65rem; cursor: pointer; }
button:hover { border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
"""
JS = """
const wanted = new Map();  // by bar: the number of the file that was asked for and has not come yet
export default function ({ data, parentElement, setTriggerValue }) {
  const bar = parentElement.querySelector(".bar");
  const say = (text) => { bar.querySelector("output").textContent = text; };
  const save = (name, url) => {
    const link = document.createElement("a");
    link.href = url; link.download = name; link.click();
    setTimeout(() => URL.revokeObjectURL(url), 5000);
  };
  const write = (name, type, text) => save(name, URL.createObjectURL(new Blob([text], { type })));
  const area = () => document.querySelector(`.st-key-${data.chart}`);
  const plot = () => area()?.querySelector(".js-plotly-plot");
  const own = () => area()?.querySelector("[data-drawing]");  // a chart of this project's own, which draws itself as SVG
  const rasterise = (svg) => {
    const picture = new Image(), scale = 3;
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = scale * picture.width; canvas.height = scale * picture.height;
      const paper = canvas.getContext("2d");
      paper.scale(scale, scale); paper.drawImage(picture, 0, 0);
      canvas.toBlob((blob) => save(`${data.name}.png`, URL.createObjectURL(blob)), "image/png");
    };
    picture.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  };
  const picture = (format) => {
    if (own()) {
      const svg = own().draw();
      if (format === "svg") write(`${data.name}.svg`, "image/svg+xml", svg); else rasterise(svg);
      return;
    }
    const chart = plot(), camera = chart && chart.querySelector('.modebar-btn[data-title^="Download plot"]');
    if (!camera) { say("The chart is not ready yet."); return; }
    chart._context.toImageButtonOptions = { format, filename: data.name, scale: format === "png" ? 3 : 1,
      width: chart.clientWidth, height: chart.clientHeight };
    const held = { data: chart.data, layout: chart.layout };  // the camera copies both at once
    Object.assign(chart, withCursor(chart));
    camera.click();
    Object.assign(chart, held);
  };
  const withCursor = (chart) => {  // as the browser draws it over the chart: a line, and a mark on every curve
    const cursor = chart.prunescopeCursor, { data, layout } = chart;
    if (!cursor) return { data, layout };
    const look = { color: "#7D8590", width: 1.5 };
    const line = { type: "line", x0: cursor.x, x1: cursor.x, yref: "paper", y0: 0, y1: 1, line: look };
    const marks = cursor.marks.map(({ axis, y, symbol, colour, measured }) => ({
      type: "scatter", mode: "markers", x: [cursor.x], y: [y],
      yaxis: axis.replace("axis", ""), xaxis: layout[axis]?.anchor ?? "x",
      marker: { symbol, size: 13, color: measured ? colour : layout.paper_bgcolor, line: { color: colour, width: 2 } },
      showlegend: false, cliponaxis: false, name: "cursor",
    }));
    return { data: [...data, ...marks], layout: { ...layout, shapes: [...(layout.shapes ?? []), line] } };
  };
  const figure = () => {  // without what Plotly keeps for itself, and never closing the script that it stands in
    const kept = (key, value) => key.startsWith("_") ? undefined
      : ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value) : value;
    const chart = plot(), { data: traces, layout: { width, ...layout } } = withCursor(chart);
    const theme = { font: chart._fullLayout.font, paper_bgcolor: chart._fullLayout.paper_bgcolor };
    return JSON.stringify({ data: traces, layout: { ...theme, ...layout } }, kept).replace(/</g, "\\\\u003c");
  };
  const ask = (format) => {
    if (format === "html" && !own() && !plot()) { say("The chart is not ready yet."); return; }
    wanted.set(data.bar, Date.now());
    say("…");
    setTriggerValue("ask", { number: wanted.get(data.bar), format, drawn: Boolean(own()) });
  };
  bar.setAttribute("aria-label", data.label);
  bar.querySelector("span").textContent = "Export";
  for (const old of bar.querySelectorAll("button")) old.remove();
  for (const format of data.formats) {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = data.titles[format];
    button.onclick = () => { say(""); if (["png", "svg"].includes(format)) picture(format); else ask(format); };
    bar.insertBefore(button, bar.querySelector("output"));
  }
  if (data.file && data.file.number === wanted.get(data.bar)) {
    wanted.delete(data.bar);
    const text = data.file.format !== "html" ? data.file.text
      : data.file.text.replace(data.place, () => own() ? own().draw() : figure());
    write(`${data.name}.${data.file.ending}`, data.file.type, text);
    say("");
  }
}
"""
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


@st.cache_resource
def _component():  # type: ignore[no-untyped-def]
    return st.components.v2.component("prunescope_export", html=HTML, css=CSS, js=JS)


def chart(figure: go.Figure, key: str, told: str) -> None:
    """A chart of the page's own look; `told` is what it says to those who do not see it."""
    st.plotly_chart(figure, key=key, config=CONFIG, theme=None, alt=told)


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
    asked = (st.session_state.get(key) or {}).get("ask")
    _component()(
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
            "file": file_of(asked, name, frame, about) if asked else None,
        },
    )


def file_of(
    asked: dict[str, Any], name: str, frame: pd.DataFrame, about: dict[str, object]
) -> dict[str, Any]:
    """The file that a button asked for."""
    wanted = asked["format"]
    if wanted == "html":
        text = files.chart_html(name, frame, about, asked["drawn"])
    else:
        make = {
            "csv": files.to_csv,
            "json": files.to_json,
            "markdown": files.to_markdown,
            "latex": files.to_latex,
        }
        text = make[wanted](frame, about)
    ending, kind = KINDS[wanted]
    return {
        "number": asked["number"],
        "format": wanted,
        "text": text,
        "ending": ending,
        "type": f"{kind};charset=utf-8",
    }

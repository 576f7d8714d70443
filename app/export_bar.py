"""Buttons under a chart: PNG, SVG and CSV, all made in the browser.

The images come from the chart as it stands on the page, through its own Plotly camera button, so they need no server
and no installed Chrome. The CSV is the data frame behind the chart.
"""

import csv
import io

import pandas as pd
import streamlit as st

HTML = """<div class="bar"><span>Export</span><button data-as="png">PNG</button><button data-as="svg">SVG</button
><button data-as="csv">CSV</button><output></output></div>"""
CSS = """
.bar { display: flex; gap: 6px; align-items: center; font-family: var(--st-font); font-size: 13px; color: var(--st-text-color); }
.bar span { opacity: .72; }
button { font: inherit; color: inherit; background: transparent; border: 1px solid var(--st-border-color);
         border-radius: 6px; padding: 2px 10px; cursor: pointer; }
button:hover, button:focus-visible { border-color: var(--st-primary-color); color: var(--st-primary-color); outline: none; }
output { opacity: .72; }
"""
JS = """
export default function ({ data, parentElement }) {
  const say = (text) => { parentElement.querySelector("output").textContent = text; };
  const save = (name, url) => {
    const link = document.createElement("a");
    link.href = url; link.download = name; link.click();
  };
  const picture = (format) => {
    const chart = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    const camera = chart && chart.querySelector('.modebar-btn[data-title^="Download plot"]');
    if (!camera) { say("The chart is not ready yet."); return; }
    chart._context.toImageButtonOptions = { format, filename: data.name, scale: format === "png" ? 3 : 1,
      width: chart.clientWidth, height: chart.clientHeight };
    camera.click();
  };
  for (const button of parentElement.querySelectorAll("button")) {
    button.onclick = () => {
      say("");
      if (button.dataset.as === "csv") {
        const url = URL.createObjectURL(new Blob([data.csv], { type: "text/csv;charset=utf-8" }));
        save(`${data.name}.csv`, url);
        setTimeout(() => URL.revokeObjectURL(url), 1000);
      } else { picture(button.dataset.as); }
    };
  }
}
"""


@st.cache_resource
def _component():  # type: ignore[no-untyped-def]
    return st.components.v2.component("prunescope_export", html=HTML, css=CSS, js=JS)


def to_csv(frame: pd.DataFrame, about: dict[str, object]) -> str:
    """The frame as CSV under a header of `# name: value` lines; a text cell never starts like a formula."""
    out = io.StringIO()
    for name, value in about.items():
        out.write(f"# {name}: {' '.join(str(value).split())}\n")
    safe = frame.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") else cell)
    safe.to_csv(out, index=safe.index.name is not None, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    return out.getvalue()


def export_bar(chart: str, name: str, frame: pd.DataFrame, about: dict[str, object]) -> None:
    """The buttons for the chart whose key is `chart`."""
    _component()(data={"chart": chart, "name": name, "csv": to_csv(frame, about)}, key=f"export-{chart}")


def table_bar(name: str, frame: pd.DataFrame, about: dict[str, object]) -> None:
    """The table as a file."""
    st.download_button("CSV", lambda: to_csv(frame, about), f"{name}.csv", "text/csv", key=f"table-{name}", on_click="ignore")

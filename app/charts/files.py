"""Charts and tables as files: pure functions, data frame in, text out. Every text in them is
escaped for its format.
"""

import csv
import io
import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts.light import lightened
from prunescope.app.charts.text import for_html, for_latex, for_markdown, for_sheet, visible

About = dict[str, object]  # where the numbers come from, one line a name
STYLE = Path(__file__).with_name("file.css").read_text(encoding="utf-8")


def cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a named index as its first column; a nameless one says nothing."""
    return frame.reset_index() if frame.index.name is not None else frame.reset_index(drop=True)


def to_csv(frame: pd.DataFrame, about: About) -> str:
    """The frame as CSV under a header of `# name: value` lines; a text cell never starts like a
    formula.
    """
    out = io.StringIO()
    for name, value in about.items():
        out.write(f"# {name}: {' '.join(str(value).split())}\n")
    safe = cells(frame).map(lambda cell: for_sheet(_lf(cell)) if isinstance(cell, str) else cell)
    safe.columns = [for_sheet(str(name)) for name in safe.columns]
    safe.to_csv(out, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    return out.getvalue()


def _lf(text: str) -> str:
    """Line ends as LF: a bare CR is not quoted by CSV writers, and ends a row for readers."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def to_json(frame: pd.DataFrame, about: About) -> str:
    """The frame as JSON: `about`, and `rows` with one object a row; what is not there is null."""
    rows = [
        {str(name): _json(value) for name, value in row.items()}
        for row in cells(frame).to_dict("records")
    ]
    return json.dumps(
        {"about": {name: _json(value) for name, value in about.items()}, "rows": rows},
        ensure_ascii=False,
        indent=1,
        allow_nan=False,
    )


def _json(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, bool | int | float | str | list | dict) else str(value)


def to_markdown(frame: pd.DataFrame, about: About) -> str:
    """The frame as a Markdown table, and below it where it comes from."""
    table = cells(frame)
    rows = _rows(table, for_markdown, "–")
    marks = [
        "--:" if pd.api.types.is_numeric_dtype(table[name]) else ":--" for name in table.columns
    ]
    lines = [f"| {' | '.join(row)} |" for row in (rows[0], marks, *rows[1:])]
    return "\n".join(
        [
            *lines,
            "",
            *(
                f"{for_markdown(name)}: {for_markdown(str(value))}  "
                for name, value in about.items()
            ),
        ]
    )


def to_latex(frame: pd.DataFrame, about: About) -> str:
    """The frame as a LaTeX table for the package booktabs; where it comes from is a comment above
    it.
    """
    table = cells(frame)
    columns = "".join(
        "r" if pd.api.types.is_numeric_dtype(table[name]) else "l" for name in table.columns
    )
    head, *rows = [" & ".join(row) + r" \\" for row in _rows(table, for_latex, "--")]
    notes = [f"% {visible(name)}: {visible(str(value))}" for name, value in about.items()]
    return "\n".join(
        [
            *notes,
            r"\begin{tabular}{" + columns + "}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _rows(table: pd.DataFrame, escape: Callable[[str], str], missing: str) -> list[list[str]]:
    """The head and the rows as texts; numbers need no escape."""
    cell = [
        [escape(value) if isinstance(value, str) else written(value, missing) for value in row]
        for row in table.itertuples(index=False, name=None)
    ]
    return [[escape(str(name)) for name in table.columns], *cell]


def written(value: Any, missing: str = "–") -> str:
    """A cell as people read it: four digits, whole numbers whole."""
    value = _json(value)
    if value is None:
        return missing
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (
        isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    ):
        return f"{value:.0f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table_html(frame: pd.DataFrame) -> str:
    """The frame as an HTML table."""
    table = cells(frame)
    names, *rows = _rows(table, for_html, "–")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{text}</td>' for text in row)}</tr>" for row in rows)
    return (
        '<div class="wide" '
        f'tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def about_html(about: About) -> str:
    """Where the numbers come from, as an HTML list."""
    items = (
        f"<dt>{for_html(name)}</dt><dd>{for_html(str(value))}</dd>" for name, value in about.items()
    )
    return f"<dl>{''.join(items)}</dl>"


@cache
def plotly_script() -> str:
    """Plotly for a page that works from a file: the copy that plotly's package carries."""
    import plotly

    return (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(
        encoding="utf-8"
    )


def page_html(title: str, body: str, with_plotly: bool) -> str:
    """A whole page that needs nothing beside itself. `body` is HTML already."""
    script = f'<script type="text/javascript">{plotly_script()}</script>' if with_plotly else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta '
        f'charset="utf-8"><title>{for_html(title)}</title>'
        '<meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><style>{STYLE}</style>{script}</head>'
        f"<body><main><h1>{for_html(title)}</h1>{body}</main></body></html>\n"
    )


def chart_html(title: str, frame: pd.DataFrame, about: About, figure: go.Figure) -> str:
    """The page of one chart: it moves as on the dashboard, and needs no network."""
    return page_html(
        title,
        f"{plot_html('chart', figure)}<h2>Data</h2>{table_html(frame)}"
        f"<h2>Where it comes from</h2>{about_html(about)}",
        with_plotly=True,
    )


def plot_html(name: str, figure: go.Figure) -> str:
    """A figure in a page that has Plotly, in the light page's colours."""
    # a script may not be closed by a label
    text = json.dumps(lightened(figure)).replace("<", "\\u003c")
    return (
        f'<div id="{name}"></div><script type="text/javascript">{{const figure = {text}; '
        f'Plotly.newPlot("{name}", '
        "figure.data, figure.layout, {responsive: true, displaylogo: false});}</script>"
    )

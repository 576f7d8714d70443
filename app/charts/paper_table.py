"""The table of a paper as text: LaTeX for booktabs, Markdown, and a frame for CSV and the page."""

from collections.abc import Iterable, Mapping

import pandas as pd

from prunescope.app.charts.text import for_latex, for_markdown, visible
from prunescope.engine.reading.glossary import measure
from prunescope.engine.reading.papers import PaperTable, TableCell
from prunescope.engine.reading.verdicts import percent

DAGGER = r"\textsuperscript{\textdagger}"


def to_frame(table: PaperTable) -> pd.DataFrame:
    """One row a measure and method, one column a sparsity, cells as read."""
    return pd.DataFrame(
        [
            {
                "measure": measure(name).head,
                "method": method,
                **{
                    _head(sparsity): _plain(cell)
                    for sparsity, cell in zip(table.sparsities, row, strict=True)
                },
            }
            for name, rows in table.cells.items()
            for method, row in zip(table.methods, rows, strict=True)
        ]
    )


def bold(table: PaperTable) -> pd.DataFrame:
    """The look of every cell of `to_frame`, in CSS: the best ones are bold."""
    rows = [
        ["", "", *("font-weight: bold" if cell.best else "" for cell in row)]
        for rows in table.cells.values()
        for row in rows
    ]
    return pd.DataFrame(rows, columns=to_frame(table).columns)


def to_markdown(table: PaperTable, about: Mapping[str, object]) -> str:
    """A Markdown table; below it the caption, and where the numbers come from."""
    heads = ["measure", "method", *map(_head, table.sparsities)]
    lines = [_line(map(for_markdown, heads)), _line([":--", ":--", *["--:"] * len(heads[2:])])]
    for name, rows in table.cells.items():
        for method, row in zip(table.methods, rows, strict=True):
            first = [for_markdown(measure(name).head), for_markdown(method)]
            lines.append(_line([*first, *(_marked(cell) for cell in row)]))
    caption = " ".join((*table.caption, *table.marks))
    origin = [
        f"{for_markdown(name)}: {for_markdown(str(value))}  " for name, value in about.items()
    ]
    return "\n".join([*lines, "", for_markdown(caption), "", *origin, ""])


def to_latex(table: PaperTable, about: Mapping[str, object]) -> str:
    """A table environment that needs the package booktabs alone; where the numbers come from is a
    comment above it.
    """
    columns = len(table.sparsities)
    notes = [f"% {visible(name)}: {visible(str(value))}" for name, value in about.items()]
    heads = " & ".join(["Method", *(for_latex(_head(sparsity)) for sparsity in table.sparsities)])
    body: list[str] = []
    for name, rows in table.cells.items():
        title = for_latex(measure(name).axis)
        body.append(r"\midrule")
        body.append(rf"\multicolumn{{{columns + 1}}}{{l}}{{\emph{{{title}}}}} \\")
        body += [
            " & ".join([for_latex(method), *map(_latex, row)]) + r" \\"
            for method, row in zip(table.methods, rows, strict=True)
        ]
    return "\n".join(
        [
            *notes,
            r"% \usepackage{booktabs}",
            r"\begin{table*}[t]" if columns > 3 else r"\begin{table}[t]",
            r"\centering",
            r"\small",
            rf"\caption{{{_latex_text(' '.join((*table.caption, *table.marks)))}}}",
            r"\label{tab:prunescope}",
            rf"\begin{{tabular}}{{l{'r' * columns}}}",
            r"\toprule",
            heads + r" \\",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}" if columns > 3 else r"\end{table}",
            "",
        ]
    )


def _head(sparsity: float) -> str:
    return percent(sparsity) if sparsity else "dense"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(cell: TableCell) -> str:
    mark, interval = "†" * cell.collapsed, f" ({cell.interval})" if cell.interval else ""
    return f"{cell.value}{mark}{interval}" or "–"


def _marked(cell: TableCell) -> str:
    text = for_markdown(_plain(cell))
    value = for_markdown(cell.value)
    return text.replace(value, f"**{value}**", 1) if cell.best else text


def _latex(cell: TableCell) -> str:
    value = rf"\textbf{{{cell.value}}}" if cell.best else cell.value
    mark = DAGGER if cell.collapsed else ""
    interval = f" ({cell.interval.replace('–', '--')})" if cell.interval else ""
    return f"{value}{mark}{interval}" or "--"


def _latex_text(text: str) -> str:
    return for_latex(text).replace("†", r"\textdagger{}").replace("–", "--")

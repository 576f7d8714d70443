"""Text that must be shown as it is, in places where Streamlit, Plotly, a spreadsheet or LaTeX would
read markup.
"""

import html
import re

from prunescope.engine import short, spelled_out, visible

__all__ = [
    "for_chart",
    "for_html",
    "for_latex",
    "for_markdown",
    "for_sheet",
    "plain",
    "short",
    "span",
    "spelled_out",
    "visible",
]

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!$~|<>:&])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    '"': "''",
    "`": r"\textasciigrave{}",
}


def plain(text: str) -> str:
    """The text for a place that reads Markdown: every mark escaped, lines joined."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def for_chart(text: str) -> str:
    """The text for a Plotly label, which reads a little HTML."""
    return html.escape(" ".join(text.split()))


def for_html(text: str) -> str:
    """The text for an HTML page or attribute."""
    return html.escape(visible(text), quote=True)


def for_markdown(text: str) -> str:
    """The text for a cell of a Markdown table."""
    return plain(visible(text))


def for_latex(text: str) -> str:
    """The text for a cell of a LaTeX table."""
    return "".join(_LATEX.get(sign, sign) for sign in visible(text))


def for_sheet(text: str) -> str:
    """The text for a spreadsheet's cell: never read as a formula, whatever blanks or signs it
    begins with.
    """
    begins = text.lstrip(
        " \t\r\n\v\f\0\ufeff\u200b\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067\u2068"
    )
    formula = begins[:1] in tuple("=+-@＝＋－＠") or text[:1] in tuple("\t\r\n")
    return f"'{text}" if formula and text else text


def span(seconds: float) -> str:
    """A duration: `75` → `1 min 15 s`."""
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 3600:
        rest = f" {seconds % 60:.0f} s" if seconds < 600 and seconds % 60 >= 1 else ""
        return f"{seconds // 60:.0f} min{rest}"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"

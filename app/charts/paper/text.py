"""Texts of a Plotly figure as Matplotlib draws them: letters alone, never markup."""

import html
import re

from prunescope.app.charts.text import spelled_out

_BREAK = re.compile(r"<br\s*/?>")
_TAG = re.compile(r"</?[a-z][^<>]*>")


def label(text: object) -> str:
    """A label's letters. Plotly reads a little HTML, so foreign text is escaped in it; Matplotlib
    reads a formula between dollars, so a dollar is escaped here.
    """
    if text is None:
        return ""
    lines = _BREAK.split(str(text))
    plain = (spelled_out(html.unescape(_TAG.sub("", line))) for line in lines)
    return "\n".join(plain).replace("$", r"\$")

"""Equations of the site as MathML, which browsers draw without a script: a hook of MkDocs."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

EQUATION = re.compile(
    r'<(?P<tag>div|span) class="arithmatex">\\(?P<open>[\[(])(?P<latex>.*?)\\[\])]</(?P=tag)>',
    re.DOTALL,
)


def on_page_content(content: str, **_: Any) -> str:
    """Replace what arithmatex marks by MathML."""
    return EQUATION.sub(_mathml, content)


def _mathml(match: re.Match[str]) -> str:
    display = "block" if match["open"] == "[" else "inline"
    return str(convert(html.unescape(match["latex"]).strip(), display=display))

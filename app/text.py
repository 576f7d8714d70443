"""Text that must be shown as it is, in places where Streamlit or Plotly would read markup."""

import html
import re

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!$~|<>:&])")


def plain(text: str) -> str:
    """The text for a place that reads Markdown: every mark escaped, lines joined."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def for_chart(text: str) -> str:
    """The text for a Plotly label, which reads a little HTML."""
    return html.escape(" ".join(text.split()))

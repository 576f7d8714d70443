"""Attacked text as HTML: every piece escaped, changed words underlined and in brackets, never told
by colour alone.
"""

import html

from prunescope.app.charts.text import spelled_out


def escaped(text: str) -> str:
    """A piece of text as HTML; characters that cannot be seen are named, because they may be the
    attack.
    """
    return html.escape(spelled_out(text))


def marked(changes: list[list[str]], changed: bool = True) -> str:
    """The text after an attack, from `word_changes`; `changed` False shows the text before."""
    parts = []
    for before, after in changes:
        if before == after or not changed:
            parts.append(escaped(before))
        else:
            old = f" <span class='was'>({escaped(before)})</span>" if before else ""
            parts.append(f"<u>[{escaped(after)}]</u>{old}")
    return " ".join(part for part in parts if part)

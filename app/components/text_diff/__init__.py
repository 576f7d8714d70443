"""Attacked text as HTML: every piece escaped, changed words underlined and in brackets, never told
by colour alone.
"""

import html
from pathlib import Path

from prunescope.app.charts.text import spelled_out

STYLE = f"<style>{Path(__file__).with_name('text_diff.css').read_text(encoding='utf-8')}</style>"


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


def side(title: str, mark: str, colour: str, text: str) -> str:
    """One victim: its mark, its title, and its text, which is HTML from `marked` or `escaped`."""
    sign = f'<span class="mark" style="color:{colour}" aria-hidden="true">{mark}</span>'
    head = f'<p class="head">{sign}{escaped(title)}</p>'
    return f'{STYLE}<div class="side">{head}<p>{text}</p></div>'

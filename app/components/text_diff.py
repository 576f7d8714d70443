"""Attacked text as HTML: every piece escaped, changed words underlined and in brackets, never told
by colour alone.
"""

import html

from prunescope.app.components.text import spelled_out

STYLE = """<style>
.side p { font-size: 1.05rem; line-height: 1.65; margin: 0 0 .4rem 0; overflow-wrap: anywhere; unicode-bidi: isolate; }
.side p.head { font-size: 1rem; font-weight: 600; margin-bottom: .35rem; }
.side u { text-decoration-thickness: 2px; text-underline-offset: 3px; font-weight: 600; }
.side .was { opacity: .72; font-size: .85em; }
.side .mark { margin-right: .45em; }
</style>"""


def shown(text: str) -> str:
    """A piece of text as HTML; characters that cannot be seen are named, because they may be the
    attack.
    """
    return html.escape(spelled_out(text))


def marked(changes: list[list[str]], changed: bool = True) -> str:
    """The text after an attack, from `word_changes`; `changed` False shows the text before."""
    parts = []
    for before, after in changes:
        if before == after or not changed:
            parts.append(shown(before))
        else:
            was = f" <span class='was'>({shown(before)})</span>" if before else ""
            parts.append(f"<u>[{shown(after)}]</u>{was}")
    return " ".join(part for part in parts if part)


def side(title: str, mark: str, colour: str, text: str) -> str:
    """One victim's side: its mark, its title, and its text, which is HTML from `marked` or `shown`."""
    head = (
        f'<span class="mark" style="color:{colour}" aria-hidden="true">{mark}</span>{shown(title)}'
    )
    return f'{STYLE}<div class="side"><p class="head">{head}</p><p>{text}</p></div>'

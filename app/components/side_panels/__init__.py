"""One attack on several models as panels beside each other: who withstands and who fails, told by a
mark, a word, and a filled or an outlined badge, never by colour alone. HTML, every piece escaped.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prunescope.app.components.text_diff import escaped

_CSS = Path(__file__).with_name("side_panels.css")
STYLE = f"<style>{_CSS.read_text(encoding='utf-8')}</style>"
SIGNS = {"fails": "✗", "withstands": "✓", "wrong": "–", "stopped": "–", "working": "…"}


@dataclass(frozen=True, slots=True)
class Panel:
    """What stands in one model's panel."""

    name: str
    mark: str  # of its line in the charts
    colour: str
    kind: str  # of SIGNS
    verdict: str  # in a word or two
    facts: tuple[str, ...] = ()
    text: str = ""  # HTML of `text_diff.marked`
    closest: str = ""  # HTML: the text that came closest, of a model that withstood
    closest_title: str = ""
    share: float | None = None  # of work that is under way
    waits_for: str = ""  # what that work is for, where the panel shows something else meanwhile


def panels(sides: Iterable[Panel], headline: str = "") -> str:
    """The panels of all models, under one line that sums them up."""
    head = f'<p class="headline" role="status">{escaped(headline)}</p>' if headline else ""
    articles = "".join(_panel(side) for side in sides)
    return f'{STYLE}<div class="sides">{head}<div class="grid">{articles}</div></div>'


def _panel(side: Panel) -> str:
    mark = f'<span class="mark" style="color:{side.colour}" aria-hidden="true">{side.mark}</span>'
    badge = (
        f'<span class="badge"><span aria-hidden="true">{SIGNS[side.kind]}</span> '
        f"{escaped(side.verdict)}</span>"
    )
    head = f'<p class="head">{mark}<span class="name">{escaped(side.name)}</span>{badge}</p>'
    text = f'<p class="text">{side.text}</p>' if side.text else ""
    bar = ""
    if side.share is not None:
        width = f"{100 * min(1.0, max(0.0, side.share)):.0f}%"
        bar = f'<div class="bar"><div style="width:{width}"></div></div>'
    facts = "".join(f'<p class="fact">{escaped(fact)}</p>' for fact in side.facts)
    closest = ""
    if side.closest:
        title = f'<p class="fact">{escaped(side.closest_title)}</p>'
        closest = f'<div class="closest">{title}<p class="text">{side.closest}</p></div>'
    if side.waits_for:
        waiting = f'<div class="closest"><p class="fact">{escaped(side.waits_for)}</p>{bar}</div>'
        return f'<div class="side {side.kind}">{head}{text}{facts}{closest}{waiting}</div>'
    return f'<div class="side {side.kind}">{head}{text}{bar}{facts}{closest}</div>'

"""What a page shows, as its address says it: read when the page is entered, written whenever the
view changes.

Changing the page empties the address, so the view is kept in the session too, one for each room:
Explore and Layers share theirs. A link wins over what was kept, and is the whole view. What it
names and is not here, or cannot be, is told, never passed over in silence. Widgets are not bound
one by one: each write sends the whole address, so two writers could undo each other.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from prunescope.app.charts.text import plain, visible
from prunescope.engine import Study

SHORT = 200  # characters of a typed text that may stand in an address
ROOMS = {"": "study", "layers": "study"}  # the pages that share a view


def enter(page: str) -> None:
    """For the entry point: which page this run shows. A page that was just entered takes up its
    address, if that says anything.

    Only then: while a page is open its address may lag behind what was just written.
    """
    state = st.session_state
    if state.get("page") == page:
        return
    state["page"], state["room"], state["entered"] = page, ROOMS.get(page, page or "study"), True
    if linked := st.query_params.to_dict():
        state[f"view-{state['room']}"] = linked


def _view() -> dict[str, str]:
    view: dict[str, str] = st.session_state.setdefault(f"view-{st.session_state['room']}", {})
    return view


def hand_over(page: str, view: Mapping[str, str]) -> None:
    """Before a change of the page: what that page shows, unless an address says otherwise."""
    st.session_state[f"view-{ROOMS.get(page, page)}"] = dict(view)


def follow(view: Mapping[str, str]) -> None:
    """For a callback: the next run of this page takes up a view, as if a link to it had been
    followed.
    """
    state = st.session_state
    state[f"view-{state['room']}"], state["entered"] = dict(view), True


def entered() -> dict[str, str] | None:
    """The whole view, once after the page was entered, for its widgets to be set from; None in
    every later run.
    """
    return dict(_view()) if st.session_state.pop("entered", False) else None


def read(name: str, default: str = "") -> str:
    """A part of the view as text."""
    return _view().get(name, default)


def write(name: str, value: str | None, default: str | None = None) -> None:
    """Keep a part of the view; what is empty or as usual stays out of the address."""
    view = {other: text for other, text in _view().items() if other != name}
    write_all({**view, name: None if value == default else value})


def write_all(view: Mapping[str, str | None]) -> None:
    """Make this the view, and the address."""
    parts = {name: value for name, value in view.items() if value}
    st.session_state[f"view-{st.session_state['room']}"] = parts
    if st.query_params.to_dict() != parts:  # a write sends the whole address, so none without need
        st.query_params.from_dict(parts)


def number(
    name: str,
    default: float,
    low: float,
    high: float,
    whole: bool = False,
    usual: str | None = None,
) -> tuple[float, list[str]]:
    """(a number of the view, what to say of one that is none, out of range, or not whole where it
    must be); `usual` is what the default is called, where that is no number.
    """
    text = read(name, f"{default:g}")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if low <= value <= high and not (whole and value % 1):
        return value, []
    kind = "whole number" if whole else "number"
    return default, [
        f"The link says {name} = {quoted(text)}, which is not a {kind} from {low:g} to "
        f"{high:.10g}; {usual or f'{default:g}'} is shown."
    ]


def one_of(name: str, options: Sequence[str], default: str) -> tuple[str, list[str]]:
    """(a part of the view that is one of some words, what to say of one that is none of them)."""
    text = read(name, default)
    if text in options:
        return text, []
    return default, [
        f"The link says {name} = {quoted(text)}, which is not here; {quoted(default)} is shown."
    ]


def choose(
    widget: Callable[..., str],
    title: str,
    name: str,
    options: Sequence[str],
    default: str,
    **more: Any,
) -> str:
    """A select box or the like whose choice is a part of the view; `name` is its key too."""
    if st.session_state.get(name) not in options:  # new on its page, or what was chosen is gone
        st.session_state[name], notices = one_of(name, options, default)
        for notice in notices:
            st.info(notice)
    choice = widget(title, options, key=name, **more)
    write(name, choice, default)
    return choice


def quoted(text: str) -> str:
    """A word of an address for a notice: nothing invisible in it, and cut."""
    return plain(f"“{visible(text[:30])}{'…' if len(text) > 30 else ''}”")


def studies(stored: Sequence[Study], most: int, name: str = "study") -> tuple[list[str], list[str]]:
    """(keys of the view's studies, notices about those that are not here). Keys in the address are
    cut to 12 digits.
    """
    keys, notices = list[str](), list[str]()
    for digits in read(name).replace(",", " ").split():
        key = next(
            (study.key for study in stored if len(digits) >= 6 and study.key.startswith(digits)),
            None,
        )
        if key is None:
            notices.append(
                f"The link names the study {quoted(digits)}, which is not in this store."
            )
        elif key not in keys:
            keys.append(key)
    if len(keys) > most:
        notices.append(f"The link names {len(keys)} studies; the first {most} are shown.")
    return keys[:most], notices[:5]

"""What a page shows, as its address says it: read when the page is entered, written whenever the
view changes.

Two parts make a view. The *selection*, studies and sparsity, is one for all pages:
`study=12digits,12digits` (the first is the one that is looked into) and `sparsity=87.5`, in per
cent. What only one page has (attack, seed, axes) stands beside it, one for each room: Explore and
Layers share theirs. The session keeps both, as a change of page empties the address. A link wins
over what was kept. What it names and is not here, or cannot be, is told, never passed over in
silence. Widgets are not bound one by one: each write sends the whole address, so two writers could
undo each other.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from prunescope.app.charts.text import plain, visible
from prunescope.app.state import defaults
from prunescope.engine import Study

SHORT = 200  # characters of a typed text that may stand in an address
SHARED = ("study", "sparsity")  # the selection
FORMER = {"studies": "study"}  # names of before that links still use
FOLLOWERS = ("victims", "base", "a", "b")  # parts of other pages that a new selection replaces
WITHOUT_SELECTION = ("studies", "dense", "bias", "about")  # pages
ROOMS = {"": "study", "layers": "study"}  # pages that share what is not the selection


@dataclass(frozen=True, slots=True)
class Selection:
    """The studies that all pages show, the first of them looked into."""

    studies: tuple[str, ...]  # keys, never none
    notices: tuple[str, ...] = ()  # what a link named and is not here

    def first(self, most: int) -> tuple[str, ...]:
        """The studies that a page with room for `most` shows."""
        return self.studies[:most]


def selection(stored: Sequence[Study]) -> Selection:
    """The current selection, of the studies in the store."""
    keys, notices = studies(stored)
    _, of_sparsity = _percent(defaults.SPARSITY_PERCENT)
    if notices or of_sparsity:  # told once, and not passed on
        percent = None if of_sparsity else read("sparsity")
        write_all({**_view(), "study": _short(keys), "sparsity": percent})
    return Selection(tuple(keys) or usual_studies(stored), (*notices[:5], *of_sparsity))


def sparsity(first: Study) -> float:
    """The selected sparsity, per cent; where none is, the level nearest to the usual one among
    those that `first` measured, the study that is looked into.
    """
    usual = defaults.SPARSITY_PERCENT
    measured = [round(100 * level.sparsity, 4) for level in first.levels]
    return _percent(min(measured, key=lambda at: abs(at - usual), default=usual))[0]


def _percent(usual: float) -> tuple[float, list[str]]:
    return number("sparsity", usual, 0.0, 100.0, usual="the usual sparsity")


def select(studies: Sequence[str] | None = None, sparsity: float | None = None) -> None:
    """Change the selection, for all pages: keys of studies, per cent."""
    view = _view()
    if studies:
        view["study"] = _short(studies)
    if sparsity is not None:
        view["sparsity"] = f"{sparsity:g}"
    if {name: view.get(name) for name in SHARED} != {name: read(name) for name in SHARED}:
        _forget_followers()
    write_all(view)


def look_into(key: str, selected: Sequence[str]) -> list[str]:
    """The selection with one study first: the others stay where it is among them."""
    return [key, *(other for other in selected if other != key)] if key in selected else [key]


def usual_studies(stored: Sequence[Study]) -> tuple[str, ...]:
    """The keys of the studies that pages show unasked: the landing view's, else the first."""
    keys = {study.key[:12]: study.key for study in stored}
    return tuple(keys[key] for key in defaults.STUDIES if key in keys) or (stored[0].key,)


def _short(keys: Sequence[str]) -> str:
    return ",".join(key[:12] for key in keys)


def enter(page: str) -> None:
    """For the entry point: which page this run shows. A page that was just entered takes up its
    address, if that says anything.

    Only then: while a page is open its address may lag behind what was just written.
    """
    state = st.session_state
    unwritten = state.pop("unwritten", False)
    if state.get("page") == page:
        if unwritten and st.query_params:
            write_all(_view())
        return
    state["page"], state["room"], state["entered"] = page, ROOMS.get(page, page or "study"), True
    state["visit"] = state.get("visit", 0) + 1
    state["loading"] = state["visit"] == 1
    if linked := st.query_params.to_dict():
        _keep(state["room"], {FORMER.get(name, name): text for name, text in linked.items()})


def page() -> str:
    """The address of the page that is shown; that of the first page is empty."""
    return str(st.session_state.get("page", ""))


def loaded() -> None:
    """For the entry point: the first page of the session is complete, and its changes are written
    from now on.

    Not before: what was opened is what the address says, and Streamlit would add an entry to the
    browser's history, as its history is not ours yet. Back would stay on the page.
    """
    st.session_state["loading"] = False


def _keep(room: str, view: Mapping[str, str]) -> None:
    """Take up a view: all of a room's own part, and what it says of the selection."""
    state = st.session_state
    state["selection"] = {
        **state.get("selection", {}),
        **{name: view[name] for name in SHARED if name in view},
    }
    state[f"view-{room}"] = {name: text for name, text in view.items() if name not in SHARED}


def _view() -> dict[str, str]:
    """The whole view, a copy."""
    state = st.session_state
    return {**state.get("selection", {}), **state.get(f"view-{state['room']}", {})}


def _forget_followers() -> None:
    """What other pages picked from the selection before."""
    state = st.session_state
    for room in [str(name) for name in state if str(name).startswith("view-")]:
        if room != f"view-{state['room']}":
            own = state[room]
            state[room] = {name: text for name, text in own.items() if name not in FOLLOWERS}


def hand_over(page: str, view: Mapping[str, str]) -> None:
    """Before a change of the page: what that page shows, unless an address says otherwise."""
    _keep(ROOMS.get(page, page), _looked_into(view))


def follow(view: Mapping[str, str]) -> None:
    """For a callback: the next run of this page takes up a view, as if a link to it had been
    followed.
    """
    state = st.session_state
    _keep(state["room"], _looked_into(view))
    state["entered"] = True


def _looked_into(view: Mapping[str, str]) -> dict[str, str]:
    """A view of one study, with the others of the selection after it."""
    selected = read("study").split(",")
    study = {"study": ",".join(look_into(view["study"], selected))} if "study" in view else {}
    return {**view, **study}


def entered() -> dict[str, str] | None:
    """The whole view, once after the page was entered, for its widgets to be set from; None in
    every later run.
    """
    return _view() if st.session_state.pop("entered", False) else None


def visit() -> int:
    """Counts the pages that were entered: what a widget showed before the last one is void."""
    return int(st.session_state.get("visit", 0))


def read(name: str, default: str = "") -> str:
    """A part of the view as text."""
    return _view().get(name, default)


def write(name: str, value: str | None, default: str | None = None) -> None:
    """Keep a part of the view; what is empty or as usual stays out of the address."""
    view = {other: text for other, text in _view().items() if other != name}
    write_all({**view, name: None if value == default else value})


def write_own(view: Mapping[str, str | None]) -> None:
    """Make this the view, beside the selection, and the address."""
    write_all({**{name: read(name) for name in SHARED}, **view})


def write_all(view: Mapping[str, str | None]) -> None:
    """Make this the view, the selection included, and the address."""
    state = st.session_state
    parts = {name: value for name, value in view.items() if value}
    state["selection"] = {name: parts[name] for name in SHARED if name in parts}
    state[f"view-{state['room']}"] = {
        name: value for name, value in parts.items() if name not in SHARED
    }
    if state.get("loading"):  # the address already says what is shown, or nearly so
        state["unwritten"] = True
        return
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


def studies(stored: Sequence[Study]) -> tuple[list[str], list[str]]:
    """(keys of the view's studies, notices about those that are not here). Keys in the address are
    cut to 12 digits.
    """
    keys, notices = list[str](), list[str]()
    for digits in read("study").replace(",", " ").split():
        key = next(
            (study.key for study in stored if len(digits) >= 6 and study.key.startswith(digits)),
            None,
        )
        if key is None:
            notices.append(f"The study {quoted(digits)} is not in this store.")
        elif key not in keys:
            keys.append(key)
    return keys, notices

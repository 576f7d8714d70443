"""The slider and what follows it in the browser itself, without a word to the server: sentence,
cursor, cards and heat map.

The slider writes where it stands into `window.prunescope` and tells all readers with the event
`prunescope-cursor`. Readers get everything they will show at any stop when the page is built, so a
move costs a look into a table. Only when the slider is let go does the server hear of it, and
settles the rest: address, tables, live work.
"""

from pathlib import Path
from typing import Any

import streamlit as st

from prunescope.app.components.browser_component import browser_component
from prunescope.app.state import address

STOPS_NOTE = "Ticks are measured; between them values are interpolated (≈, hollow)."
FOLDER = str(Path(__file__).parent)
Marks = list[dict[str, Any]]  # as of `components.cards.marks`


def slider(
    stops: list[float],
    at: float,
    measured: list[float],
    safe: dict[str, float] | None,
    key: str = "instrument",
) -> float:
    """The slider; the percentage at which it was last let go, or `at` where that has changed since.
    `measured` are the ticks; `safe` ends the three shades of the track, `sure`, `best` and
    `possible`. All in per cent.

    It begins at `at`, and goes there when the address moves it; a move by hand never sends it back,
    as the hand may be further by then.
    """
    state = st.session_state
    settled = (state.get(key) or {}).get("percent")
    last: dict[str, Any] = state.get(f"{key}-last", {})
    here = last.get("visit") == address.visit()  # not another page's slider
    if here and settled in stops and settled != last["settled"]:  # moved by hand
        last = {**last, "settled": settled, "percent": settled}
    elif not here or last["percent"] != at:  # new on this page, or the address moved it
        last = {"visit": address.visit(), "settled": settled, "percent": at, "start": at}
        last["turn"] = state.get(f"{key}-last", {}).get("turn", 0) + 1
    state[f"{key}-last"] = last
    browser_component(FOLDER, "slider")(
        key=key,
        on_percent_change=lambda: None,
        data={
            "stops": stops,
            "start": last["start"],
            "turn": last["turn"],
            "measured": measured,
            "safe": safe,
        },
    )
    return float(last["percent"])


def sentence(data: dict[str, Any], start: float) -> None:
    """The sentence that follows the slider; `data` has `stops`, `looks` of the studies, and by stop
    its clauses as (text, study, name).
    """
    browser_component(FOLDER, "sentence")(key="sentence", data={**data, "start": start})


def cursor(stops: list[float], start: float, charts: dict[str, Marks], key: str = "cursor") -> None:
    """The cursor over charts, each named by its key, with a mark on every curve."""
    browser_component(FOLDER, "cursor")(
        key=key, data={"stops": stops, "start": start, "charts": charts}
    )


def cards(data: dict[str, Any], start: float) -> None:
    """The cards of all measures."""
    browser_component(FOLDER, "cards")(key="cards", data={**data, "start": start})


def heat(data: dict[str, Any], start: float, key: str = "layers") -> str | None:
    """The heat map, block × module; the cell that was picked last, as `block.module`."""
    component = browser_component(FOLDER, "heat", isolated=False)(
        key=key, data={**data, "start": start}, on_picked_change=lambda: None
    )
    return None if component.picked is None else str(component.picked)

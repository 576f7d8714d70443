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

STOPS_NOTE = "Ticks are measured; values between them are interpolated: ≈, and hollow marks."
FOLDER = str(Path(__file__).parent)
Marks = list[dict[str, Any]]  # as of `components.cards.marks`


def slider(
    stops: list[float],
    at: float,
    measured: list[float],
    safe: dict[str, float] | None,
    key: str = "instrument",
) -> float:
    """The slider; the percentage at which it was last let go. `measured` are the ticks; `safe` ends
    the three shades of the track, `sure`, `best` and `possible`, all in per cent.
    """
    settled = (st.session_state.get(key) or {}).get("percent")
    if settled is None or settled not in stops:  # new on this page: it begins where the view is
        st.session_state[f"{key}-start"] = at
    start = st.session_state.setdefault(f"{key}-start", at)
    component = browser_component(FOLDER, "slider")(
        key=key,
        on_percent_change=lambda: None,
        data={"stops": stops, "start": start, "measured": measured, "safe": safe},
    )
    return (
        start
        if component.percent is None or component.percent not in stops
        else float(component.percent)
    )


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

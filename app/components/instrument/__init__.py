"""The slider and what follows it in the browser itself, without a word to the server: cards, cursor
and heat map.

The slider writes where it stands into `window.prunescope` and tells all readers with the event
`prunescope-cursor`. Readers get everything they will show at any stop when the page is built, so a
move costs a look into a table. Only when the slider is let go does the server hear of it, and
settles the rest: address, tables, live work.
"""

from pathlib import Path
from typing import Any

import streamlit as st

from prunescope.app.components.browser_component import browser_component

STOPS_NOTE = "between them values are interpolated, marked ≈ and drawn hollow."
FOLDER = str(Path(__file__).parent)


def slider(
    stops: list[float],
    at: float,
    measured: list[float],
    safe: dict[str, float] | None,
    key: str = "instrument",
) -> float:
    """The slider; the percentage at which it was last let go. `measured` are the ticks, `safe` the
    flag with its interval.
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


def cards(data: dict[str, Any], start: float, chart: str, marks: list[dict[str, Any]]) -> None:
    """The cards, and the cursor with its marks over the chart whose key is `chart`."""
    browser_component(FOLDER, "cards")(
        key="cards", data={**data, "start": start, "chart": chart, "marks": marks}
    )


def heat(data: dict[str, Any], start: float, key: str = "layers") -> str | None:
    """The heat map, block × module; the cell that was picked last, as `block.module`."""
    component = browser_component(FOLDER, "heat", isolated=False)(
        key=key, data={**data, "start": start}, on_picked_change=lambda: None
    )
    return None if component.picked is None else str(component.picked)

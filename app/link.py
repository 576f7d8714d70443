"""The address as the view: what a page shows is written into its address, and read from there when the page is entered.

Widgets are not bound one by one: a link that names something that is not here must say so, and each write sends the whole
address, so two writers could undo each other. A page calls `entered` first, sets its widgets from what it finds, and calls
`write` last. What a page showed is kept for the session, because changing the page empties the address.
"""

import streamlit as st

SHORT = 200  # characters of a typed text that may stand in an address


def note_page(name: str) -> None:
    """For the entry point: which page this run shows."""
    st.session_state["_entered"] = st.session_state.get("_page") != name
    st.session_state["_page"] = name


def entered(page: str) -> dict[str, str] | None:
    """What the address says when the page was just entered, else what it showed last; None in every later run."""
    kept = f"_view-{page}"
    if kept in st.session_state and not st.session_state.get("_entered", False):
        return None
    view = st.query_params.to_dict() or st.session_state.get(kept, {})
    st.session_state[kept] = dict(view)
    st.session_state["_entered"] = False
    return dict(view)


def write(page: str, view: dict[str, str | None]) -> None:
    """Make this the address; what is None or empty is left out."""
    wanted = {name: value for name, value in view.items() if value}
    st.session_state[f"_view-{page}"] = wanted
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def number(text: str | None, low: float, high: float) -> float | None:
    """A number of the address within its bounds, or None."""
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and low <= value <= high else None

"""The first-visit tour: three steps in a strip above the page, dismissed once and for all in this
browser.

It lives in the browser alone: what was seen is kept in its local storage, so the server need not
know who comes again.
"""

from pathlib import Path

import streamlit as st

from prunescope.app.components.browser_component import browser_component

FOLDER = str(Path(__file__).parent)

STEPS = (
    (
        "Slide",
        "On Explore, drag the sparsity slider or use the arrow keys: accuracy, accuracy under "
        "attack and the error of every layer follow it. Solid marks are measured, hollow ones are "
        "interpolated.",
    ),
    (
        "Attack",
        "On Attack, type a sentence and watch one attack work on the dense model and on up to "
        "three sparse ones, word by word, with the same candidates and the same seed.",
    ),
    (
        "Compare and share",
        "On Compare, pin a baseline and see the Pareto front and the examples that flip. Every "
        "chart and table can be exported, and the URL holds the whole view: copy it to share.",
    ),
)


def tour() -> None:
    """The strip, for browsers that have not closed it yet, or where it was asked for again."""
    browser_component(FOLDER, "tour")(
        data={
            "steps": [list(step) for step in STEPS],
            "again": st.session_state.get("tour-again", 0),
        },
        key="tour",
    )


def again() -> None:
    """A button that shows the tour once more."""
    if st.button("Show the tour again", key="tour-button"):
        st.session_state["tour-again"] = st.session_state.get("tour-again", 0) + 1
        st.rerun()

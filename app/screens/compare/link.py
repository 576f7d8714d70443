"""The compare page's address: read into the widgets when the page is entered, written at the end of
every run.
"""

import streamlit as st

from prunescope.app.charts import compare as charts
from prunescope.app.charts import pareto
from prunescope.app.charts.compare import Level
from prunescope.app.state import address
from prunescope.engine.reading import levels

DIFFERENT, ALL = "differences only", "all settings"
LEVELS = ("base", "a", "b")
WORDS = {  # part of the address: what it may say, what it says unless asked
    "settings": (("all", "differences"), "differences"),
    "y": (tuple(charts.TITLES), "aua"),
    "x": (tuple(pareto.AXES), "sparsity"),
}


def take_up(linked: dict[str, str]) -> list[str]:
    """Set the widgets from an address; notices about what it names and is not here."""
    state, notices = st.session_state, list[str]()
    words = dict[str, str]()
    for name, (options, usual) in WORDS.items():
        words[name], of_word = address.one_of(name, options, usual)
        notices += of_word
    state["c-settings"] = ALL if words["settings"] == "all" else DIFFERENT
    state["c-y"], state["c-x"] = words["y"], words["x"]
    for name in LEVELS:
        state[f"c-{name}"] = linked.get(name)
    state["c-named"] = {name: linked[name] for name in LEVELS if name in linked}
    return notices


def view(base: Level, a: Level, b: Level) -> dict[str, str | None]:
    """What the address carries beside the selection."""
    state = st.session_state
    return {
        "base": levels.level_id(base.study, base.sparsity),
        "y": state["c-y"],
        "x": state["c-x"],
        "settings": "all" if state["c-settings"] == ALL else None,
        "a": levels.level_id(a.study, a.sparsity),
        "b": levels.level_id(b.study, b.sparsity),
    }

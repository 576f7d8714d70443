"""Below the first screen, behind tabs: all measures, the layers, the examples, the numbers, and the
model itself. Only the tab that is open is drawn.
"""

from collections.abc import Callable

import streamlit as st

from prunescope import engine
from prunescope.app.components.notices import show_notices
from prunescope.app.components.report_button import report_button
from prunescope.app.screens.explore.curves import all_measures, layers, numbers
from prunescope.app.screens.explore.first_screen import Studies, Versions
from prunescope.app.screens.explore.level import examples, pruner_record
from prunescope.app.screens.explore.live import live_work
from prunescope.app.state import address
from prunescope.engine.reading import commands

TABS = {  # as the address has it: title
    "measures": "All measures",
    "layers": "Layers",
    "examples": "Examples",
    "numbers": "Numbers",
    "model": "The model",
    "share": "Reproduce and share",
}


def details(
    studies: Studies, versions: Versions, stops: list[float], percent: float, points: float
) -> None:
    """Draw the tabs."""
    study, sparsity = studies[0], percent / 100
    drawn: tuple[Callable[[], None], ...] = (
        lambda: all_measures(studies, versions, stops, percent),
        lambda: layers(study, stops, percent),
        lambda: examples(study, sparsity),
        lambda: numbers(studies),
        lambda: _model(study, sparsity),
        lambda: _reproduce(studies, sparsity, points),
    )
    _take_up()
    tabs = st.tabs(list(TABS.values()), key="details", on_change="rerun")
    for name, tab, draw in zip(TABS, tabs, drawn, strict=True):
        if tab.open:
            address.write("tab", name, "measures")
            with tab:
                draw()


def _take_up() -> None:
    """Open the tab that the address names; a link to a layer opens the layers."""
    if "details" in st.session_state:
        return
    usual = "layers" if address.read("cell") else "measures"  # a link to a layer
    name, notices = address.one_of("tab", list(TABS), usual)
    show_notices([], notices)
    st.session_state["details"] = TABS[name]


def _model(study: engine.Study, sparsity: float) -> None:
    live_work(study, sparsity)
    pruner_record(study, sparsity)


def _reproduce(studies: Studies, sparsity: float, points: float) -> None:
    repeat = commands.repeat_command(studies[0], [sparsity])
    lines = [repeat, commands.export_command(studies[0], sparsity)]
    st.code(commands.shell(*lines), language="sh", wrap_lines=True)
    report_button(studies, points)

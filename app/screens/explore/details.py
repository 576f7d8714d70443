"""Below the first screen, behind tabs: all measures, the layers, the examples, the numbers, and the
model itself. Only the tab that is open is drawn.
"""

from collections.abc import Callable

import streamlit as st

from prunescope import engine
from prunescope.app.components.report_button import report_button
from prunescope.app.screens.explore.curves import all_measures, layers, numbers
from prunescope.app.screens.explore.first_screen import Studies, Versions
from prunescope.app.screens.explore.level import examples, pruner_record
from prunescope.app.screens.explore.live import live_work
from prunescope.engine.reading import commands

TABS = ("All measures", "Layers", "Examples", "Numbers", "The model", "Reproduce and share")


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
        lambda: _reproduce(study, sparsity, points),
    )
    tabs = st.tabs(TABS, key="details", on_change="rerun")
    for tab, draw in zip(tabs, drawn, strict=True):
        if tab.open:
            with tab:
                draw()


def _model(study: engine.Study, sparsity: float) -> None:
    live_work(study, sparsity)
    pruner_record(study, sparsity)


def _reproduce(study: engine.Study, sparsity: float, points: float) -> None:
    repeat = commands.repeat_command(study, [sparsity])
    lines = [repeat, commands.export_command(study, sparsity)]
    st.code(commands.shell(*lines), language="sh", wrap_lines=True)
    report_button(study, points)

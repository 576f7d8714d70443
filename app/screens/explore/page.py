"""Explore: the slider is the instrument, everything below answers it."""

import streamlit as st

from prunescope import engine
from prunescope.app.charts import palette
from prunescope.app.components import cards, instrument
from prunescope.app.components.empty_state import studies_or_stop
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.components.report_button import report_button
from prunescope.app.components.study_picker import open_studies, pick_studies
from prunescope.app.screens.explore.curves import (
    card_texts,
    curves_and_layers,
    numbers,
    visible_curves,
)
from prunescope.app.screens.explore.instrument import slider, tolerance
from prunescope.app.screens.explore.level import level_tables
from prunescope.app.screens.explore.live import attack_door, live_work, prunable_sparsity
from prunescope.app.state.resources import signature, workbench
from prunescope.engine.reading import commands, series


def main() -> None:
    """Draw the page."""
    view, stored = studies_or_stop()
    header = page_header("How sparse before it breaks?", 5, 1.6, title_width=6)
    with header.controls[0]:
        keys, of_link = pick_studies(stored, len(palette.STUDIES))
    with header.controls[1]:
        points, of_tolerance = tolerance()
    studies, of_studies = open_studies(keys)
    header.subtitle(_subtitle(studies))
    show_notices([*view.notices, *of_studies], [*of_link, *of_tolerance])
    if studies:
        _answer([study.key for study in studies], points)
        numbers(studies)  # outside: the slider does not change them
    workbench().warm()


def _subtitle(studies: list[engine.Study]) -> str:
    if not studies:
        return "Pick a study."
    first = f"{engine.full_names(studies)[0]}, {studies[0].about['counts']['evaluation']} evaluated"
    if len(studies) == 1:
        return first
    return (
        f"{len(studies)} studies. The safe sparsity, layer errors and live work are those of the "
        f"first: {first}"
    )


@st.fragment
def _answer(keys: list[str], points: float) -> None:
    """Draw everything that the slider moves, as a fragment: the pickers above do not run again."""
    studies, _ = open_studies(keys)
    if len(studies) < len(keys):  # one was removed while it was shown: the whole page says so
        st.rerun()
    study, stops = studies[0], series.stops(studies)
    percent = slider(studies, stops, points)
    names = visible_curves(studies)
    versions = tuple((study.key, signature(study.key)) for study in studies)
    instrument.cards(
        card_texts(versions, stops, studies), percent, "curves", cards.marks(studies, stops, names)
    )
    curves_and_layers(studies, versions, names, stops, percent)
    sparsity = percent / 100
    level_tables(study, sparsity)
    live_work(study, sparsity)
    attack_door(study, prunable_sparsity(study, sparsity))
    with st.expander("Reproduce and share"):
        repeat = commands.repeat_command(study, [sparsity])
        lines = [repeat, commands.export_command(study, sparsity)]
        st.code(commands.shell(*lines), language="sh", wrap_lines=True)
        report_button(study, points)


main()

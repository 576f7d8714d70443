"""Explore: the slider is the instrument, everything below answers it."""

import streamlit as st

from prunescope.app.charts import palette
from prunescope.app.components.empty_state import studies_or_stop
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.components.prune_ahead import prune_ahead
from prunescope.app.components.study_picker import open_studies, pick_studies
from prunescope.app.components.tolerance import tolerance_field
from prunescope.app.screens.explore import details, first_screen
from prunescope.app.screens.explore.instrument import answer, limit, slider
from prunescope.app.state.resources import safe_sparsity, signature, workbench
from prunescope.engine.reading import series

TITLE = "How sparse can a language model get before it stops being robust?"
PURPOSE = (
    "PruneScope removes weights from a fine-tuned classifier without retraining it, attacks the "
    "dense and the sparse model alike, and shows what is lost."
)


def main() -> None:
    """Draw the page."""
    view, stored = studies_or_stop()
    header = page_header(TITLE, 1.35, title_width=5)
    header.subtitle(PURPOSE)
    with (
        header.controls[0],
        st.popover("Studies and tolerance", width="stretch", key="studies-box"),
    ):
        keys, of_link = pick_studies(stored, len(palette.STUDIES))
        points, of_tolerance = tolerance_field()
    studies, of_studies = open_studies(keys)
    show_notices([*view.notices, *of_studies], [*of_link, *of_tolerance])
    if studies:
        _answer([study.key for study in studies], points)
    elif not keys:
        st.info("Pick a study under “Studies and tolerance”.")
    workbench().warm()


@st.fragment
def _answer(keys: list[str], points: float) -> None:
    """Draw everything that the slider moves, as a fragment: the pickers above do not run again."""
    studies, _ = open_studies(keys)
    if len(studies) < len(keys):  # one was removed while it was shown: the whole page says so
        st.rerun()
    stops = series.stops(studies)
    versions = tuple((study.key, signature(study.key)) for study in studies)
    safe = safe_sparsity(*versions[0], points)
    percent = slider(studies, stops, safe)
    first_screen.sentence(studies, versions, stops, percent)
    answer(studies, safe, points)
    first_screen.panels(studies, versions, limit(safe), stops, percent)
    first_screen.doors(studies, percent)
    details.details(studies, versions, stops, percent, points)
    prune_ahead(studies[0], stops, percent)


main()

"""Figure: a figure and a table for a paper, as they will stand in it."""

import streamlit as st

from prunescope.app.charts import palette
from prunescope.app.components.empty_state import studies_or_stop
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.components.study_picker import open_studies, pick_studies
from prunescope.app.screens.figure.drawing import drawing
from prunescope.app.screens.figure.options import pick_measures
from prunescope.app.screens.figure.table import table
from prunescope.app.state.resources import workbench


def main() -> None:
    """Draw the page."""
    view, stored = studies_or_stop()
    header = page_header("Figure and table for a paper", 2)
    with header.controls[0]:
        keys, of_link = pick_studies(stored, len(palette.STUDIES))
    studies, of_studies = open_studies(keys)
    header.subtitle("What you see here is the file you download.")
    show_notices([*view.notices, *of_studies], of_link)
    if not studies:
        st.info("Pick a study.")
    else:
        _body([study.key for study in studies])
    workbench().warm()


@st.fragment
def _body(keys: list[str]) -> None:
    studies, _ = open_studies(keys)
    if len(studies) < len(keys):  # one was removed while it was shown: the whole page says so
        st.rerun()
    names = pick_measures(studies)
    if not names:
        st.info("Pick a measure.")
        return
    drawing(studies, names)
    table(studies, names)


main()

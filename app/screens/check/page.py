"""Check my model: how sparse may a person's own classifier get, and the pruned model to take home.

Without a study in the address the page is a form; with one it is the answer.
"""

import streamlit as st

from prunescope import engine
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.screens.check.form import form
from prunescope.app.screens.check.link import take_up
from prunescope.app.state import address
from prunescope.app.state.limits import closed
from prunescope.app.state.resources import store, workbench


def main() -> None:
    """Draw the page."""
    page_header("Check my model")
    view = store()
    rows = engine.study_rows(view)
    linked = address.entered()
    notices = take_up(linked) if linked else []
    st.text(
        "How sparse may your classifier get before it loses accuracy or robustness? Bring the "
        "model and labelled rows; leave with the answer and the pruned model."
    )
    show_notices(view.notices, notices)
    if closed("checking a model is"):
        return
    form(rows)
    workbench().warm()


main()

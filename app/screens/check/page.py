"""Check my model: how sparse may a person's own classifier get, and the pruned model to take home.

A link to a study, or to the job that measures it, opens the answer; otherwise the page is a form.
"""

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.components.study_picker import pick_study, unfinished_sentence
from prunescope.app.components.tolerance import tolerance_field
from prunescope.app.screens.check.answer import show_answer
from prunescope.app.screens.check.form import form
from prunescope.app.screens.check.link import ANSWER, FORM, VIEW, enter, is_answer
from prunescope.app.screens.check.running import job_in_address, show_progress, study_of
from prunescope.app.state import address
from prunescope.app.state.limits import closed
from prunescope.app.state.resources import store, workbench


def main() -> None:
    """Draw the page."""
    page_header("Check my model")
    notices = enter()
    if is_answer():
        _answer()
    else:
        _form(notices)
    workbench().warm()


def _form(notices: list[str]) -> None:
    st.text(
        "How sparse may your classifier get before it loses accuracy or robustness? Bring the "
        "model and labelled rows; leave with the answer and the pruned model."
    )
    view = store()
    rows = engine.study_rows(view)
    show_notices(view.notices, notices)
    if not closed("checking a model is"):
        form(rows)


def _answer() -> None:
    row = job_in_address() if address.read("job") else None
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    if row is None:
        with left:
            key = _picked()
    elif row.state == "done" and row.study is not None:
        key = row.study
        address.select(studies=[key])
        address.write_own({VIEW: ANSWER})  # a link that outlasts the queue
        st.rerun()
    else:
        show_progress(row)
        key = row.study
    study, notices = study_of(key)
    show_notices(notices)
    if study is None or not study.levels:
        _no_answer(study, row)
        return
    if row is not None:
        left.subheader(plain(engine.full_name(study)), anchor=False)
    with right:
        points, of_tolerance = tolerance_field("answer-tolerance")
        show_notices([], of_tolerance)
    show_answer(study, points)


def _picked() -> str | None:
    """The study that the selection looks into, with a picker for another."""
    view = store()
    stored = view.studies()
    show_notices(view.notices)
    if not stored:
        return None
    key, notices = pick_study(stored)
    show_notices([], notices)
    return key


def _no_answer(study: engine.Study | None, row: engine.JobRow | None) -> None:
    """What there is to say before the first level is there."""
    if row is not None and row.active:
        st.caption("The answer appears here with the first levels. You may leave this page.")
        return
    if study is not None:
        view = store()
        for state in engine.unfinished(view, [study.key]).values():
            st.warning(f"This study {unfinished_sentence(state)}")
        show_notices(view.notices)
    if st.button("Check a model", key="another", type="primary"):
        address.follow({VIEW: FORM})
        st.rerun()


main()

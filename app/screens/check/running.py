"""A check that runs: its progress, polled, and the answer as soon as there are levels."""

import streamlit as st

from prunescope import engine
from prunescope.app.components.job_card import EVERY, job_card
from prunescope.app.components.job_progress import poll
from prunescope.app.components.notices import show_error
from prunescope.app.state import address
from prunescope.app.state.resources import jobs, read_study, signature


def job_in_address() -> engine.JobRow | None:
    """The job that the address names, where it is in this queue; else the page says so."""
    linked = address.read("job")
    try:
        jobs().start_if_due()
        row = next((row for row in jobs().rows() if row.id == linked), None)
    except engine.PruneScopeError as error:
        show_error(error)
        return None
    if row is None:
        st.info(f"The link names the job {address.quoted(linked)}, which is not in this queue.")
    return row


def show_progress(row: engine.JobRow) -> None:
    """The job's card; when its state or its study's levels change, the whole page runs again."""
    before = _standing(row)

    def draw() -> None:
        rows = jobs().rows()
        now = next((other for other in rows if other.id == row.id), None)
        if now is None or _standing(now) != before:
            st.rerun()
        job_card(now, rows)

    poll("check-job", EVERY if row.active else None, draw)


def _standing(row: engine.JobRow) -> tuple[object, ...]:
    return row.state, row.study, signature(row.study) if row.study else ()


def study_of(key: str | None) -> tuple[engine.Study | None, list[str]]:
    """A study with its levels, by its whole key."""
    if not key:
        return None, []
    study, notices = read_study(key, signature(key))
    return study, notices

"""One job of the queue: where it stands, how long it has to go, and what can be done about it."""

import re
import time
from collections.abc import Callable
from typing import Literal

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain, span
from prunescope.app.components.notices import show_error, show_warning
from prunescope.app.state.limits import public
from prunescope.app.state.resources import jobs

_PATH = re.compile(r"/(?:[^/ ,]+/)*([^/ ,]+)")  # with its last part
EVERY = 1.0  # seconds between two looks while something runs
STATES = {
    "queued": ":material/hourglass_empty: Waiting",
    "running": ":material/play_arrow: Running",
    "done": ":material/check: Done",
    "failed": ":material/error: Failed",
    "cancelled": ":material/block: Cancelled",
    "interrupted": ":material/pause: Interrupted",
}
Buttons = Callable[[engine.JobRow], None]


def run_action(action: Callable[[], object]) -> None:
    """Run what a button asks of the store or the queue and draw the page again, or show its
    error.
    """
    try:
        action()
    except engine.PruneScopeError as error:
        show_error(error)
        return
    st.rerun()


def job_card(
    row: engine.JobRow,
    rows: list[engine.JobRow],
    more: Buttons = lambda row: None,
    details: Buttons | None = None,
) -> None:
    """A job in a frame; `more` draws buttons before Cancel and Resume, `details` what is below."""
    with st.container(border=True, key=f"job-{row.id}"):
        left, right = st.columns([3, 2], vertical_alignment="center")
        with left:
            st.markdown(f"**{STATES[row.state]}** · {plain(title_of(row))}")
            _standing(row, rows)
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            more(row)
            if not public():
                _control(row)
        if row.state == "running":
            st.progress(row.share, text=plain(row.stage) or "Starting")
        if row.reason and not public():  # it may name places on this machine
            (show_error if row.state == "failed" else show_warning)(row.reason)
        if details is not None:
            details(row)


def title_of(row: engine.JobRow) -> str:
    """What the job does; places on this machine by their last part, so that it can be read."""
    return _PATH.sub(r"\1", row.title)


def _standing(row: engine.JobRow, rows: list[engine.JobRow]) -> None:
    """Where the job stands."""
    if row.state == "queued":
        st.caption(_waiting(row, rows))
    elif row.state == "running":
        left = f"about {span(row.remaining)} left" if row.remaining else "no estimate yet"
        st.caption(f"{100 * row.share:.0f}%, {left}, on {row.slot}")
    elif row.ended:
        lasted = row.ended - row.started if row.started and row.ended >= row.started else None
        after = "" if lasted is None else f" after {span(lasted)}"
        st.caption(time.strftime("%d %b %H:%M", time.localtime(row.ended)) + after)


def _waiting(row: engine.JobRow, rows: list[engine.JobRow]) -> str:
    before, seconds = engine.JobQueue.waiting(row, rows)
    if before == 0:
        return "next"
    turn = "" if seconds is None else f", its turn in about {span(seconds)}"
    return f"{before} before it on {row.slot}{turn}"


def _control(row: engine.JobRow) -> None:
    """Cancel what is active; resume what ended before it was done."""
    if row.active:
        if st.button("Cancel", key=f"cancel-{row.id}", disabled=row.do != "study"):
            run_action(lambda: jobs().cancel(row.id))
    elif row.state != "done" and row.do == "study":
        kind: Literal["primary", "secondary"] = (
            "primary" if row.state == "interrupted" else "secondary"
        )
        if st.button("Resume", key=f"resume-{row.id}", type=kind):
            run_action(lambda: jobs().resume(row.id))

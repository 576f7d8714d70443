"""The queue on the page: what runs, what waits, what ended, and the log of the job that the address
names.
"""

import re
import time
from typing import Literal

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain, span
from prunescope.app.components.job_progress import poll
from prunescope.app.components.notices import show_error, show_warning
from prunescope.app.screens.studies.actions import run_action
from prunescope.app.state import address
from prunescope.app.state.limits import public
from prunescope.app.state.resources import jobs

SHOWN = 4  # ended jobs that stand in the open
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


def queue_panel() -> bool:
    """Every job, polled while one is active; whether there is any."""
    queue = jobs()
    try:
        queue.start_if_due()
        rows = queue.rows()
    except engine.PruneScopeError as error:
        show_error(error)
        return False
    if (linked := address.read("job")) and not any(row.id == linked for row in rows):
        st.info(f"The link names the job {address.quoted(linked)}, which is not in this queue.")
    if not rows:
        return False
    st.header("Jobs", anchor=False)
    before = {row.id: row.state for row in rows}

    def draw() -> None:
        now = queue.rows()
        if {row.id: row.state for row in now} != before:
            st.rerun()
        _panel(now)

    poll("queue", EVERY if any(row.active for row in rows) else None, draw)
    return True


def _panel(rows: list[engine.JobRow]) -> None:
    active = [row for row in rows if row.active]
    ended = [row for row in reversed(rows) if not row.active]
    linked = address.read("job")
    for row in sorted(active, key=lambda row: row.state != "running"):
        _card(row, rows, linked)
    for row in ended[:SHOWN]:
        _card(row, rows, linked)
    if later := ended[SHOWN:]:
        with st.expander(
            f"{len(later)} earlier jobs", expanded=any(row.id == linked for row in later)
        ):
            for row in later:
                _card(row, rows, linked)


def _card(row: engine.JobRow, rows: list[engine.JobRow], linked: str) -> None:
    with st.container(border=True, key=f"job-{row.id}"):
        left, right = st.columns([3, 2], vertical_alignment="center")
        with left:
            # strangers are not told places on this machine
            title = _PATH.sub(r"\1", row.title) if public() else row.title
            st.markdown(f"**{STATES[row.state]}** · {plain(title)}")
            _standing(row, rows)
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            _buttons(row, linked)
        if row.state == "running":
            st.progress(row.share, text=plain(row.stage) or "Starting")
        if row.id == linked and not public():
            _details(row)


def _standing(row: engine.JobRow, rows: list[engine.JobRow]) -> None:
    """Where the job stands, and why it ended."""
    if row.state == "queued":
        st.caption(_waiting(row, rows))
    elif row.state == "running":
        left = f"about {span(row.remaining)} left" if row.remaining else "no estimate yet"
        st.caption(f"{100 * row.share:.0f}%, {left}, on {row.slot}")
    elif row.ended:
        lasted = row.ended - row.started if row.started and row.ended >= row.started else None
        after = "" if lasted is None else f" after {span(lasted)}"
        st.caption(time.strftime("%d %b %H:%M", time.localtime(row.ended)) + after)
    if row.reason and not public():  # it may name places on this machine
        (show_error if row.state == "failed" else show_warning)(row.reason)


def _waiting(row: engine.JobRow, rows: list[engine.JobRow]) -> str:
    before, seconds = engine.JobQueue.waiting(row, rows)
    if before == 0:
        return "next"
    turn = "" if seconds is None else f", its turn in about {span(seconds)}"
    return f"{before} before it on {row.slot}{turn}"


def _buttons(row: engine.JobRow, linked: str) -> None:
    if row.study and st.button(
        "Open", key=f"open-{row.id}", help="Show the levels that are there in Explore"
    ):
        st.switch_page("screens/explore/page.py", query_params={"study": row.study[:12]})
    if public():
        return
    is_open = row.id == linked
    if st.button("Hide log" if is_open else "Log", key=f"log-{row.id}"):
        _link("" if is_open else row.id)
    if row.active:
        if st.button("Cancel", key=f"cancel-{row.id}", disabled=row.do != "study"):
            run_action(lambda: jobs().cancel(row.id))
        return
    kind: Literal["primary", "secondary"] = "primary" if row.state == "interrupted" else "secondary"
    if (
        row.state != "done"
        and row.do == "study"
        and st.button("Resume", key=f"resume-{row.id}", type=kind)
    ):
        run_action(lambda: jobs().resume(row.id))
    if st.button(
        "Forget",
        key=f"forget-{row.id}",
        help="Remove the job and its log from this list; its study stays",
    ):
        run_action(lambda: jobs().remove(row.id))


def _link(job: str) -> None:
    address.write("job", job)
    st.rerun()


def _details(row: engine.JobRow) -> None:
    settings = {
        name: value for name, value in row.arguments.items() if value not in (None, "", False)
    }
    settings["levels"] = " ".join(f"{100 * level:g}%" for level in row.arguments.get("levels", ()))
    st.text(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items()))
    # the box cannot scroll to its end by itself
    text = "\n".join(reversed(jobs().log(row.id, 8000).strip().splitlines()))
    st.code(
        text or "The log is empty so far.",
        language=None,
        wrap_lines=True,
        height=220 if text else "content",
    )
    st.caption(plain(f"Newest first. Job {row.id}."))

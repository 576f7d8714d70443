"""The queue on the page: what runs, what waits, what ended, and the log of the job that the address
names.
"""

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.components.job_card import EVERY, job_card, run_action
from prunescope.app.components.job_progress import poll
from prunescope.app.components.notices import show_error
from prunescope.app.state import address
from prunescope.app.state.limits import public
from prunescope.app.state.resources import jobs

SHOWN = 2  # ended jobs that stand in the open


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
    st.header("Queue", anchor=False)
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
            engine.pluralize(len(later), "earlier job"),
            expanded=any(row.id == linked for row in later),
        ):
            for row in later:
                _card(row, rows, linked)


def _card(row: engine.JobRow, rows: list[engine.JobRow], linked: str) -> None:
    def buttons(row: engine.JobRow) -> None:
        _buttons(row, linked)

    job_card(row, rows, buttons, _details if row.id == linked and not public() else None)


def _buttons(row: engine.JobRow, linked: str) -> None:
    if row.study and st.button("Open", key=f"open-{row.id}", help="Show its answer"):
        st.switch_page("screens/check/page.py", query_params={"study": row.study[:12]})
    if public():
        return
    is_open = row.id == linked
    if st.button("Hide log" if is_open else "Log", key=f"log-{row.id}"):
        _link("" if is_open else row.id)
    if not row.active and st.button(
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

"""A page's jobs in the worker: one a slot, a newer one in place of an older, with progress, reason and a way to cancel."""

from typing import Any

import streamlit as st

import engine
from app.state import workbench
from app.text import plain


def start(slot: str, do: str, **arguments: Any) -> None:
    """Ask the worker, and let go of what the slot waited for."""
    old: engine.Job | None = st.session_state.get(slot)
    if old is not None:
        workbench().cancel(old)
    st.session_state[slot] = workbench().submit(do, **arguments)


def job(slot: str, study: engine.Study) -> engine.Job | None:
    """The slot's job, if it belongs to the study that is shown."""
    found: engine.Job | None = st.session_state.get(slot)
    return found if found is not None and found.arguments["study"] == study.key else None


def progress(slot: str, study: engine.Study) -> None:
    """Where the slot's job stands; nothing once it is done."""
    found = job(slot, study)
    if found is None or found.state == "done":
        return
    if not found.active:
        if found.state == "failed":
            st.error(plain(found.reason))
        else:
            st.info("Cancelled. Nothing that was finished is lost.")
        return

    @st.fragment(run_every=0.4, key=f"progress-{slot}")
    def poll() -> None:
        if not found.active:
            st.rerun()
        left = found.pace.seconds_left(found.done, found.total)
        waiting = "Waiting for the worker" if found.state == "queued" or not found.stage else found.stage
        st.progress(found.share, text=f"{waiting}{f', about {left:.0f} s left' if left is not None and left > 1 else ''}")
        if st.button("Cancel", key=f"cancel-{slot}"):
            workbench().cancel(found)

    poll()

"""A job on a page: shown while it runs, cancelled by a button, found again after a reload."""

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.components.text import plain
from prunescope.app.state import limits


def begin(slot: str, bench: engine.Workbench, do: str, **arguments: Any) -> None:
    """Ask a worker, and let go of what the slot waited for."""
    old: engine.Job | None = st.session_state.get(slot)
    if old is not None:
        bench.cancel(old)
    if (job := limits.submit(bench, do, **arguments)) is not None:
        st.session_state[slot] = job


def of_study(slot: str, study: engine.Study) -> engine.Job | None:
    """The slot's job, if it belongs to the study that is shown."""
    found: engine.Job | None = st.session_state.get(slot)
    return found if found is not None and found.arguments["study"] == study.key else None


def progress(slot: str, job: engine.Job | None, bench: engine.Workbench) -> None:
    """Where a job stands, with a button to cancel it, or why it ended; nothing where it is done or
    there is none.
    """
    if job is not None and job.active:
        watch(slot, job, bench, 0.4, bar)
    elif job is not None:
        ended(job)


def bar(job: engine.Job, before: str = "") -> None:
    """A job's progress as a bar."""
    share, text = told(job)
    text = before + text if before else text[:1].upper() + text[1:]
    st.progress(share, text=text)


def found_again(slot: str, token: str | None, bench: engine.Workbench) -> bool:
    """Take up the job that an address names, after a reload. False where it is named and no longer
    in memory.
    """
    if token and st.session_state.get(slot) is None:
        st.session_state[slot] = bench.find(token)
    return not token or st.session_state.get(slot) is not None


def told(job: engine.Job, behind: engine.Job | None = None) -> tuple[float, str]:
    """(share, sentence) of a job that is not done; a queued one tells of the job it waits for."""
    if job.state == "queued" and behind is not None and behind.active:
        share, text = told(behind)
        return share, f"Getting ready: {text}"
    left, stage = job.progress.seconds_left, job.progress.stage
    waiting = "waiting for the worker" if job.state == "queued" or not stage else doing(stage)
    counts = job.do == "batch" and stage == "attack"
    counted = f" {job.progress.done} of {job.progress.total}" if counts else ""
    return job.progress.share, plain(waiting) + counted + (
        f", about {left:.0f} s left" if left is not None and left > 1 else ""
    )


def doing(stage: str) -> str:
    """A worker's stage as a person says it."""
    return f"loading{stage.removeprefix('load')}" if stage.partition(" ")[0] == "load" else stage


def watch(
    slot: str,
    job: engine.Job,
    bench: engine.Workbench,
    every: float,
    head: Callable[[engine.Job], None],
    draw: Callable[[engine.Job], None] = lambda job: None,
) -> None:
    """Draw a job again and again, its head beside a button to cancel it; when it ends, the whole
    page runs once more.
    """

    @st.fragment(run_every=every, key=f"progress-{slot}")
    def poll() -> None:
        if not job.active:
            st.rerun()
        left, right = st.columns([6, 1], vertical_alignment="center")
        if right.button("Cancel", key=f"cancel-{slot}", width="stretch"):
            bench.cancel(job)
            _wait_for_the_end(job)
            st.rerun()
        with left:
            head(job)
        draw(job)

    poll()


def _wait_for_the_end(job: engine.Job) -> None:
    """A cancelled job ends within two seconds; the page need not be drawn in between."""
    for _ in range(40):
        if not job.active:
            return
        time.sleep(0.05)


def ended(job: engine.Job) -> bool:
    """Say why a job ended without a result; True where it has one."""
    if job.state == "failed":
        st.error(plain(job.reason))
    elif job.state == "cancelled":
        st.info("Cancelled. Nothing that was finished is lost.")
    return job.state == "done" and job.result is not None

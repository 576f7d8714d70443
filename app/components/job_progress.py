"""A job on a page: shown while it runs, cancelled by a button, found again after a reload.

A job sits in a slot of the session, one for each thing that a page can ask a worker for.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.components.notices import show_error
from prunescope.app.state import limits

Job = TypeVar("Job", bound=limits.Awaited)


def begin(slot: str, bench: limits.Bench[Job], do: str, **arguments: Any) -> None:
    """Submit a request to a worker; nobody waits for the slot's job before it any more."""
    old: Job | None = st.session_state.get(slot)
    if old is not None:
        bench.drop(old)
    if (job := limits.submit(bench, do, **arguments)) is not None:
        st.session_state[slot] = job


def in_slot(slot: str) -> engine.LiveJob | None:
    """The job that was submitted last."""
    job: engine.LiveJob | None = st.session_state.get(slot)
    if job is not None:
        job.look()
    return job


def attack_in_slot(slot: str = "attack") -> engine.AttackRun | None:
    """The attack that was started last."""
    run: engine.AttackRun | None = st.session_state.get(slot)
    if run is not None:
        run.look()
    return run


def of_study(slot: str, study: engine.Study) -> engine.LiveJob | None:
    """The slot's job, if it belongs to the study that is shown."""
    job = in_slot(slot)
    return job if job is not None and job.arguments["study"] == study.key else None


def look_of_study(study: engine.Study, slot: str = "looking") -> engine.LookRun | None:
    """The look inside that was started last, if it is at the study that is shown."""
    run: engine.LookRun | None = st.session_state.get(slot)
    if run is not None:
        run.look()
    return run if run is not None and run.arguments["study"] == study.key else None


def resume_from_link(slot: str, token: str | None, bench: limits.Bench[Job]) -> bool:
    """Put the job that an address names back into its slot, after a reload.

    False for a job that is no longer in memory.
    """
    if token and st.session_state.get(slot) is None:
        st.session_state[slot] = bench.find(token)
    return not token or st.session_state.get(slot) is not None


def poll(key: str, seconds: float | None, draw: Callable[[], None]) -> None:
    """Draw a part of the page, and again every so many seconds without running the rest; once only
    where `seconds` is None.
    """

    @st.fragment(run_every=seconds, key=key)
    def part() -> None:
        draw()

    part()


def progress(slot: str, job: engine.LiveJob | None, bench: engine.Workbench) -> None:
    """Show the progress of a job with a button to cancel it, or why it ended without a result."""
    if job is not None and job.active:
        watch(slot, job, bench, 0.4, bar)
    elif job is not None:
        show_end(job)


def watch(
    slot: str,
    job: Job,
    bench: limits.Bench[Job],
    seconds: float,
    head: Callable[[Job], None],
    body: Callable[[Job], None] = lambda job: None,
) -> None:
    """Draw a job again and again, its head beside a button to cancel it; when it ends, the whole
    page runs once more.
    """

    def draw() -> None:
        job.look()
        if not job.active:
            st.rerun()
        left, right = st.columns([6, 1], vertical_alignment="center")
        if right.button("Cancel", key=f"cancel-{slot}", width="stretch"):
            bench.cancel(job)
            _wait_for_the_end(job)
            st.rerun()
        with left:
            head(job)
        body(job)

    poll(f"progress-{slot}", seconds, draw)


def _wait_for_the_end(job: limits.Awaited) -> None:
    """A cancelled job ends within two seconds; the page need not be drawn in between."""
    for _ in range(40):
        if not job.active:
            return
        time.sleep(0.05)


def bar(job: limits.Shown, before: str = "") -> None:
    """A job's progress as a bar."""
    share, text = share_and_sentence(job)
    text = before + text if before else text[:1].upper() + text[1:]
    st.progress(share, text=text)


def show_end(job: limits.Shown) -> bool:
    """Show why a job ended without a result. Returns whether it has one."""
    if job.state == "failed":
        show_error(job.reason)
    elif job.state == "cancelled":
        st.info(plain(job.reason) or "Cancelled. Nothing that was finished is lost.")
    return job.state == "done" and job.result is not None


def share_and_sentence(job: limits.Shown) -> tuple[float, str]:
    """(share, sentence) of a job that is not done."""
    progress = job.progress
    waiting = job.state == "queued" or not progress.stage
    stage = "waiting for the worker" if waiting else doing(progress.stage)
    counting = job.do == "batch" and progress.stage == "attack"
    count = f" {progress.done} of {progress.total}" if counting else ""
    left = progress.seconds_left
    remaining = f", about {left:.0f} s left" if left is not None and left > 1 else ""
    return progress.share, plain(stage) + count + remaining


def doing(stage: str) -> str:
    """A worker's stage in words for a page."""
    return f"loading{stage.removeprefix('load')}" if stage.partition(" ")[0] == "load" else stage

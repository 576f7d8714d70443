"""Start a check: its estimate, the engine's own check of everything, then the queue."""

from dataclasses import asdict
from functools import partial

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain, span
from prunescope.app.components.job_progress import bar, begin, in_slot, watch
from prunescope.app.components.notices import show_error
from prunescope.app.screens.check.fields import key_of
from prunescope.app.state import address
from prunescope.app.state.resources import jobs, workbench
from prunescope.engine.reading.commands import shell, study_command

CHECK = "check"  # the slot of the check before a study starts
REFUSED = key_of("refused")  # why the last one did not start, shown until the next


def start_row(
    spec: engine.StudySpec | None, preview: engine.StudyPreview | None, rows: list[engine.StudyRow]
) -> None:
    """The estimate beside the button, and the command line that does the same."""
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        st.markdown(_estimate(spec, preview, rows))
    stopped = spec is None or (preview is not None and bool(preview.problem))
    pressed = right.button(
        "Start the check", type="primary", key="start", disabled=stopped, width="stretch"
    )
    if pressed and spec is not None:
        st.session_state.pop(REFUSED, None)
        begin(CHECK, workbench(), "check", spec=asdict(spec))
    _follow(rows, preview)
    if refused := st.session_state.get(REFUSED):
        show_error(refused)
    if spec is not None:
        with st.expander("The same from the command line"):
            st.code(command(spec), language="sh", wrap_lines=True)


def _estimate(
    spec: engine.StudySpec | None,
    preview: engine.StudyPreview | None,
    rows: list[engine.StudyRow],
) -> str:
    if spec is None:
        return "Name a model and data to start."
    if preview is not None and preview.problem:
        return "It cannot start yet: see the message above."
    duration = engine.estimate(spec, rows, preview)
    if duration.seconds is None:
        return plain(duration.about)
    where = " on this machine" if duration.here else ""
    return f"**About {_rounded(duration.seconds)}{where}.** {plain(duration.about)}"


def _rounded(seconds: float) -> str:
    """A duration as an estimate is told: whole minutes, or tens of seconds."""
    if seconds < 90:
        return span(max(10, 10 * round(seconds / 10)))
    return engine.pluralize(round(seconds / 60), "minute") if seconds < 5400 else span(seconds)


def _follow(rows: list[engine.StudyRow], preview: engine.StudyPreview | None) -> None:
    """Show the check of a study that is to start, and queue the study when the check is done."""
    job = in_slot(CHECK)
    if job is None:
        return
    if job.active:
        watch(CHECK, job, workbench(), 0.4, partial(bar, before="Checking: "))
        return
    del st.session_state[CHECK]
    if job.state != "done" or job.result is None:
        if job.state == "failed":
            st.session_state[REFUSED] = job.reason
        else:
            st.info("Cancelled before it started.")
        return
    spec = engine.StudySpec(**job.arguments["spec"])
    try:
        row = jobs().submit(spec, _expected(spec, rows, job.result["stored"], preview))
    except engine.PruneScopeError as error:
        show_error(error)
        return
    address.write_own({"job": row.id})
    st.rerun()


def _expected(
    spec: engine.StudySpec,
    rows: list[engine.StudyRow],
    stored: list[float],
    preview: engine.StudyPreview | None,
) -> float | None:
    """Seconds for the levels that are not stored yet."""
    left = tuple(level for level in spec.levels if level not in stored)
    if not left:
        return 0.0
    left_spec = engine.StudySpec(**{**asdict(spec), "levels": left})
    seconds: float | None = engine.estimate(left_spec, rows, preview).seconds
    return seconds


def command(spec: engine.StudySpec) -> str:
    """The command line that starts the same study; what is as usual is left out."""
    return shell(study_command(asdict(spec), background=True))

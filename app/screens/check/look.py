"""Look at model and data before anything starts: from their files at once, from the hub on demand.

What was read is remembered by the files' times, so that choosing a column does not read them again.
"""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.components.job_progress import begin, in_slot, progress
from prunescope.app.state.resources import workbench

SLOT = "check-look"  # of the worker's look at the hub
MOST_FILES = 500  # of a folder, whose times are compared
# what decides what is fetched; other settings only choose among the rows
FETCHED = ("model", "data")
Times = tuple[tuple[str, int, int], ...]


def look(spec: engine.StudySpec) -> engine.StudyPreview | None:
    """The preview of the form's study; None where a part of it is on the hub and nobody has looked
    yet.
    """
    if not engine.is_on_hub(spec.data):
        preview = _preview(asdict(spec), _times(spec.data), _times(spec.model))
        if preview.model is None or preview.model.is_known:
            return preview
        return _fetched(spec) or preview
    return _fetched(spec)


def _fetched(spec: engine.StudySpec) -> engine.StudyPreview | None:
    """What the worker found on the hub, with a button to look there."""
    job, settings = in_slot(SLOT), asdict(spec)
    same = job is not None and all(
        job.arguments["spec"][name] == settings[name] for name in FETCHED
    )
    if job is None or not same or not (job.active or job.state == "done"):
        left, right = st.columns([1, 3], vertical_alignment="center")
        if left.button("Look it up on the hub", key="check-look-up", width="stretch"):
            begin(SLOT, workbench(), "preview", spec=settings)
            st.rerun()
        right.caption("Fetches what is needed to show it. Nothing is fetched until you press it.")
    if job is None or not same:
        return None
    if not job.active and job.arguments["spec"] != settings:  # it is fetched; read it as chosen now
        begin(SLOT, workbench(), "preview", spec=settings)
        st.rerun()
    progress(SLOT, job, workbench())
    return engine.StudyPreview.of(job.result) if job.result is not None else None


@st.cache_resource(max_entries=32, show_spinner="Reading the data")
def _preview(settings: dict[str, Any], data: Times, model: Times) -> engine.StudyPreview:
    """The preview; `data` and `model` are the times of the files, which decide it too."""

    def read(name: str, choice: Any) -> engine.DataSource:
        source: engine.DataSource = _source(name, choice.label, data, choice)
        return source

    return engine.preview_study(engine.StudySpec(**settings), read)


@st.cache_resource(max_entries=3, show_spinner=False)
def _source(name: str, label: str | None, data: Times, _choice: Any) -> engine.DataSource:
    return engine.read_source(name, _choice)


def _times(name: str) -> Times:
    """(path, time, size) of the files that a name stands for."""
    path = Path(os.path.expanduser(name))
    if not name or name.startswith("embedded"):
        return ()
    try:
        files = [path] if path.is_file() else sorted(path.rglob("*"))[:MOST_FILES]
        stats = [(file, file.stat()) for file in files if file.is_file()]
    except (OSError, ValueError):
        return ()
    return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in stats)

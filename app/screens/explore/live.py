"""What the explore page asks of the worker: measure, time or export the level under the cursor; its
door to the attack page.
"""

import os
from pathlib import Path
from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.components import job_progress
from prunescope.app.components.text import plain
from prunescope.app.state.resources import workbench
from prunescope.engine.reading import commands, series
from prunescope.engine.reading.levels import level_id

FIRST = (
    "A warm, funny film that never wastes a minute of your time and leaves you smiling long "
    "after the end."
)


def live_panel(study: engine.Study, sparsity: float) -> None:
    """The way to the attack page, with this study and sparsity."""
    st.header("Attack a sentence, dense and pruned side by side", anchor=False)
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        st.text(
            "Type a sentence, or pick one of the evaluation set, and watch one attack work on the "
            "dense model and on up to "
            "three sparse ones: same candidates, same seed, word by word."
        )
    with right:
        view = {"study": study.key[:12]} | (
            {"victims": level_id(study, sparsity)} if sparsity else {}
        )
        st.page_link(
            "screens/attack/page.py",
            label=f"Attack at {100 * sparsity:.0f} % sparsity",
            icon=":material/arrow_forward:",
            query_params=view,
        )


def has_data(study: engine.Study) -> bool:
    """Whether the study's own texts can be here: without them its pruned model cannot be made
    again.
    """
    return study.about["spec"]["data"] is not None or "PRUNESCOPE_DATA" in os.environ


def measure_here(study: engine.Study, sparsity: float) -> None:
    """Offer to measure the level under the cursor; when it is done the page shows it as measured."""
    if not has_data(study):
        st.caption(
            "This sparsity was not measured; values marked ≈ are interpolated. Measuring it needs "
            "a local copy of the "
            "study's data: see the README, PRUNESCOPE_DATA."
        )
        return
    left, right = st.columns([1, 3], vertical_alignment="center")
    if left.button(f"Measure {100 * sparsity:.0f} % now", key="measure", width="stretch"):
        job_progress.begin("measuring", workbench(), "measure", study=study.key, sparsity=sparsity)
    with right:
        st.caption(
            "This sparsity was not measured; values marked ≈ are interpolated. Measuring it solves "
            "the pruned model, "
            "evaluates it, and attacks the study's examples."
        )
    job_progress.progress("measuring", job_progress.of_study("measuring", study), workbench())


def time_here(study: engine.Study, sparsity: float) -> None:
    """Offer to time the level on this machine."""
    timed = series.latency_at(study, sparsity)
    left, right = st.columns([1, 3], vertical_alignment="center")
    if left.button(
        "Time it again" if timed else f"Time {100 * sparsity:g} % here", key="time", width="stretch"
    ):
        job_progress.begin("timing", workbench(), "time", study=study.key, sparsity=sparsity)
    with right:
        st.caption(
            "Times the dense model and the pruned one as CSR on this machine, in turn; about half "
            "a minute. "
            + (
                f"Last time: {1000 * timed.seconds:.1f} ms a sentence against "
                f"{1000 * timed.dense_seconds:.1f} ms dense, "
                f"batches of {timed.batch}, {engine.pluralize(timed.threads, 'thread')}, "
                f"{plain(timed.device)}."
                if timed
                else ""
            )
        )
    job_progress.progress("timing", job_progress.of_study("timing", study), workbench())


def export_here(study: engine.Study, sparsity: float) -> None:
    """Offer the pruned model as one file; where it cannot be made, say why and how it is made
    elsewhere.
    """
    size = series.bytes_at(study, sparsity).value
    there = has_data(study)
    left, right = st.columns([1, 3], vertical_alignment="center")
    if left.button(
        f"Export the {100 * sparsity:g} % model",
        key="export-model",
        width="stretch",
        disabled=not there,
    ):
        job_progress.begin("exporting", workbench(), "export", study=study.key, sparsity=sparsity)
    with right:
        if there:
            st.caption(
                "Makes the pruned model, or takes it from the cache, and packs it into one zip of "
                "about "
                f"{(size or 0) / 1e6:.0f} MB. `unpack` makes an ordinary model folder of it."
            )
        else:
            st.caption(
                plain(
                    f"The texts of {study.about['data']} that calibrate this model are not on this "
                    "machine, so it "
                    "cannot be made here. Name their folder in PRUNESCOPE_DATA, or run where they "
                    "are:"
                )
            )
    if not there:
        text = commands.shell(commands.export_command(study, sparsity))
        st.code(text, language="sh", wrap_lines=True)
    job = job_progress.of_study("exporting", study)
    job_progress.progress("exporting", job, workbench())
    if job is not None and job.state == "done" and job.result is not None:
        _download(job.result)


def _download(made: dict[str, Any]) -> None:
    path = Path(made["path"])
    if not path.is_file():
        st.info("The file that was made is gone by now; export it again.")
        return
    left, right = st.columns([1, 3], vertical_alignment="center")
    left.download_button(
        f"Download {made['bytes'] / 1e6:.1f} MB",
        path.read_bytes,
        path.name,
        "application/zip",
        type="primary",
        on_click="ignore",
        key="download-model",
        width="stretch",
    )
    with right:
        st.caption(plain(f"{made['sentence']} It lies in {path}."))

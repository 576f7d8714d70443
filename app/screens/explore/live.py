"""Measure, time or export the level under the slider, and open it on the attack page."""

import os
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.components import job_progress
from prunescope.app.state.limits import closed
from prunescope.app.state.resources import workbench
from prunescope.engine.reading import commands, series
from prunescope.engine.reading.levels import level_id

NOT_MEASURED = "This sparsity was not measured; values marked ≈ are interpolated. "


def attack_door(study: engine.Study, sparsity: float) -> None:
    """Link to the attack page, with this study and sparsity."""
    st.header("Attack a sentence, dense and pruned side by side", anchor=False)
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.text(
        "Type a sentence, or pick one of the evaluation set, and watch one attack work on the "
        "dense model and on up to three sparse ones: same candidates, same seed, word by word."
    )
    victims = {"victims": level_id(study, sparsity)} if sparsity else {}
    right.page_link(
        "screens/attack/page.py",
        label=f"Attack at {100 * sparsity:.0f}% sparsity",
        icon=":material/arrow_forward:",
        query_params={"study": study.key[:12], **victims},
    )


def prunable_sparsity(study: engine.Study, sparsity: float) -> float:
    """The sparsity that a model can be pruned to: the pattern's own for n:m, else the slider's."""
    own = series.own_sparsity(study)
    return sparsity if own is None else own


def has_data(study: engine.Study) -> bool:
    """Whether the study's own texts may be on this machine; without them it cannot be pruned."""
    return study.about["spec"]["data"] is not None or "PRUNESCOPE_DATA" in os.environ


def live_work(study: engine.Study, sparsity: float) -> None:
    """Offer what can be done at this sparsity; in public mode say that it is not offered."""
    if closed("measuring, timing and exporting a model are"):
        return
    if prunable_sparsity(study, sparsity) != sparsity:
        return
    if study.level(sparsity) is None:
        measure_here(study, sparsity)
    if sparsity > 0:
        time_here(study, sparsity)
        export_here(study, sparsity)


def _button_beside_text() -> tuple[DeltaGenerator, DeltaGenerator]:
    left, right = st.columns([1, 3], vertical_alignment="center")
    return left, right


def measure_here(study: engine.Study, sparsity: float) -> None:
    """Offer to measure the level under the slider; once done, the page shows it as measured."""
    if not has_data(study):
        st.caption(
            NOT_MEASURED + "Measuring it needs a local copy of the study's data: see the README, "
            "PRUNESCOPE_DATA."
        )
        return
    left, right = _button_beside_text()
    if left.button(f"Measure {100 * sparsity:.0f}% now", key="measure", width="stretch"):
        job_progress.begin("measuring", workbench(), "measure", study=study.key, sparsity=sparsity)
    right.caption(
        NOT_MEASURED + "Measuring it prunes the model, evaluates it, and attacks the study's "
        "examples."
    )
    job_progress.progress("measuring", job_progress.of_study("measuring", study), workbench())


def time_here(study: engine.Study, sparsity: float) -> None:
    """Offer to time the level on this machine."""
    timed = series.latency_at(study, sparsity)
    left, right = _button_beside_text()
    label = "Time it again" if timed else f"Time {100 * sparsity:g}% here"
    if left.button(label, key="time", width="stretch"):
        job_progress.begin("timing", workbench(), "time", study=study.key, sparsity=sparsity)
    last = (
        f"Last time: {1000 * timed.seconds:.1f} ms a sentence against "
        f"{1000 * timed.dense_seconds:.1f} ms dense, batches of {timed.batch}, "
        f"{engine.pluralize(timed.threads, 'thread')}, {plain(timed.device)}."
        if timed
        else ""
    )
    right.caption(
        "Times the dense model and the pruned one as CSR on this machine, in turn; about half a "
        f"minute. {last}"
    )
    job_progress.progress("timing", job_progress.of_study("timing", study), workbench())


def export_here(study: engine.Study, sparsity: float) -> None:
    """Offer the pruned model as one file, or say why not, with the command line to make it."""
    possible = has_data(study)
    left, right = _button_beside_text()
    if left.button(
        f"Export the {100 * sparsity:g}% model",
        key="export-model",
        width="stretch",
        disabled=not possible,
    ):
        job_progress.begin("exporting", workbench(), "export", study=study.key, sparsity=sparsity)
    if possible:
        size = series.bytes_at(study, sparsity).value or 0
        right.caption(
            "Prunes the model, or takes it from the cache, and packs it into one zip of about "
            f"{size / 1e6:.0f} MB. `unpack` makes an ordinary model folder of it."
        )
    else:
        right.caption(
            plain(
                f"The calibration texts of {study.about['data']} are not on this machine, so the "
                "model cannot be pruned here. Name their folder in PRUNESCOPE_DATA, or run where "
                "they are:"
            )
        )
        line = commands.export_command(study, sparsity)
        st.code(commands.shell(line), language="sh", wrap_lines=True)
    job = job_progress.of_study("exporting", study)
    job_progress.progress("exporting", job, workbench())
    if job is not None and job.state == "done" and job.result is not None:
        _download(job.result)


def _download(file: dict[str, Any]) -> None:
    path = Path(file["path"])
    if not path.is_file():
        st.info("The exported file no longer exists; export it again.")
        return
    left, right = _button_beside_text()
    left.download_button(
        f"Download {file['bytes'] / 1e6:.1f} MB",
        path.read_bytes,
        path.name,
        "application/zip",
        type="primary",
        on_click="ignore",
        key="download-model",
        width="stretch",
    )
    right.caption(plain(f"{file['sentence']} It lies in {path}."))

"""Take a pruned model home, and time it on this machine: for the pages that show one level."""

import os
from pathlib import Path
from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.components import job_progress
from prunescope.app.state.limits import public
from prunescope.app.state.resources import store, workbench
from prunescope.engine.reading import commands, series

FORMS = {  # format: title, what it is good for
    "folder": (
        "Hugging Face folder",
        "A zip of an ordinary folder, which transformers opens; zeros are stored as weights.",
    ),
    "packed": (
        "Packed",
        "A zip with a bitmap and the remaining weights; `prunescope unpack` makes a folder of it.",
    ),
}


def has_data(study: engine.Study) -> bool:
    """Whether the study's own texts may be on this machine; without them it cannot be pruned."""
    return study.about["spec"]["data"] is not None or "PRUNESCOPE_DATA" in os.environ


def ships(study: engine.Study, sparsity: float) -> engine.ShippedModel | None:
    """The model that ships with PruneScope for this level, if there is one."""
    return engine.shipped_model(store(), study.identity, sparsity)


def shipped_sentence(study: engine.Study, model: engine.ShippedModel) -> str:
    """What a model that ships is, with its own figures beside those of the study's level, which was
    pruned on another machine.
    """
    text = (
        f"The {100 * model.sparsity:g}% model ships with PruneScope, {model.weight_bits} bits a "
        f"remaining weight. Measured as it ships: accuracy {_percent(model.acc)} of "
        f"{model.acc.n}, accuracy under attack {_percent(model.aua)} of {model.aua.n}."
    )
    level = study.level(model.sparsity)
    if level is None or level.aua is None:
        return text
    return (
        f"{text} The study's own model, pruned on another machine, has {_percent(level.acc)} and "
        f"{_percent(level.aua)}."
    )


def _percent(rate: engine.Rate) -> str:
    return "–" if rate.value is None else f"{100 * rate.value:.1f}%"


def download_model(study: engine.Study, sparsity: float) -> None:
    """Prepare the pruned model and offer it for download, or say why not, with the command line
    that makes it.
    """
    model = ships(study, sparsity)
    if model is not None:
        st.caption(plain(shipped_sentence(study, model)))
    elif not has_data(study):
        st.caption(
            plain(
                f"The calibration texts of {study.about['data']} are not on this machine, so the "
                "model cannot be pruned here. Name their folder in PRUNESCOPE_DATA, or run where "
                "they are:"
            )
        )
        line = commands.export_command(study, sparsity)
        st.code(commands.shell(line), language="sh", wrap_lines=True)
        return
    form = st.radio(
        "Format",
        list(FORMS),
        key="export-form",
        format_func=lambda name: FORMS[name][0],
        horizontal=True,
        label_visibility="collapsed",
    )
    job = job_progress.of_study("exporting", study)
    asked = {"sparsity": sparsity, "form": form}
    if job is not None and any(job.arguments.get(name) != asked[name] for name in asked):
        job = None  # of another level or format
    if job is None or not (job.active or job.state == "done"):
        if st.button(f"Prepare the {100 * sparsity:g}% model", key="export-model", type="primary"):
            job_progress.begin("exporting", workbench(), "export", study=study.key, **asked)
            st.rerun()
        size = (series.bytes_at(study, sparsity).value or 0) / 1e6
        about = f" About {size:.0f} MB." if form == "packed" else ""
        st.caption(FORMS[form][1] + about)
    job_progress.progress("exporting", job, workbench())
    if job is not None and job.state == "done" and job.result is not None:
        _download(job.result)


def _download(file: dict[str, Any]) -> None:
    path = Path(file["path"])
    if not path.is_file():
        st.info("The exported file no longer exists; prepare it again.")
        return
    st.download_button(
        f"Download {file['bytes'] / 1e6:.1f} MB",
        path.read_bytes,
        path.name,
        "application/zip",
        type="primary",
        on_click="ignore",
        key="download-model",
    )
    st.caption(plain(f"{file['sentence']} It lies in {path}."))


def speed(study: engine.Study, sparsity: float) -> None:
    """How long a sentence takes against dense, as it was timed on this machine, or a button that
    times it, except on a public page.
    """
    timed = series.latency_at(study, sparsity)
    st.markdown(f"**Speed:** {speed_sentence(timed)}")
    if has_data(study) and not public():
        if st.button("Time it again" if timed else "Time it here", key="time"):
            job_progress.begin("timing", workbench(), "time", study=study.key, sparsity=sparsity)
            st.rerun()
        job_progress.progress("timing", job_progress.of_study("timing", study), workbench())


def speed_sentence(timed: engine.Timed | None) -> str:
    """What a timing says; scattered zeros seldom make a model faster."""
    if timed is None:
        return "not measured on this machine. Scattered zeros save bytes; time, they seldom save."
    return (
        f"{timed.ratio:.2f} × the time of dense, stored as CSR "
        f"({1000 * timed.seconds:.1f} ms against {1000 * timed.dense_seconds:.1f} ms a sentence, "
        f"{engine.pluralize(timed.threads, 'thread')})."
    )

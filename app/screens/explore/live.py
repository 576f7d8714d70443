"""The model under the slider: measure it where it was not measured, time it, take it home."""

import streamlit as st

from prunescope import engine
from prunescope.app.components import job_progress
from prunescope.app.components.take_model import download_model, has_data, speed
from prunescope.app.state.limits import closed
from prunescope.app.state.resources import workbench
from prunescope.engine.reading import series

NOT_MEASURED = "This sparsity was not measured; values marked ≈ are interpolated. "


def live_work(study: engine.Study, sparsity: float) -> None:
    """Offer what can be done at this sparsity; in public mode say that it is not offered."""
    if closed("measuring, timing and exporting a model are"):
        return
    own = series.own_sparsity(study)
    if own is not None and own != sparsity:
        st.text(f"The pattern {study.about['pattern']} has one sparsity, {100 * own:g}%.")
        return
    if study.level(sparsity) is None:
        measure_here(study, sparsity)
    if sparsity > 0:
        left, right = st.columns(2, gap="medium")
        with left:
            st.markdown("**Download**")
            download_model(study, sparsity)
        with right:
            speed(study, sparsity)
    else:
        st.text("Move the slider above 0% to take a pruned model home.")


def measure_here(study: engine.Study, sparsity: float) -> None:
    """Offer to measure the level under the slider; once done, the page shows it as measured."""
    if not has_data(study):
        st.caption(
            NOT_MEASURED + "Measuring it needs a local copy of the study's data: see the README, "
            "PRUNESCOPE_DATA."
        )
        return
    left, right = st.columns([1, 3], vertical_alignment="center")
    if left.button(f"Measure {100 * sparsity:g}% now", key="measure", width="stretch"):
        job_progress.begin("measuring", workbench(), "measure", study=study.key, sparsity=sparsity)
    right.caption(
        NOT_MEASURED + "Measuring it prunes the model, evaluates it, and attacks the study's "
        "examples."
    )
    job_progress.progress("measuring", job_progress.of_study("measuring", study), workbench())

"""What the explore page asks of the worker: measure the level under the cursor; and its door to the attack page."""

import os

import streamlit as st

import engine
from app import running
from app.state import workbench
from app.victims import level_id

FIRST = "A warm, funny film that never wastes a minute of your time and leaves you smiling long after the end."


def live_panel(study: engine.Study, sparsity: float) -> None:
    """The way to the attack page, with this study and sparsity."""
    st.subheader("Attack a sentence, dense and pruned side by side", anchor=False)
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        st.text("Type a sentence, or pick one of the evaluation set, and watch one attack work on the dense model and on up to "
                "three sparse ones: same candidates, same seed, word by word.")  # fmt: skip
    with right:
        view = {"study": study.key[:12]} | ({"victims": level_id(study, sparsity)} if sparsity else {})
        st.page_link("screens/attack.py", label=f"Attack at {100 * sparsity:.0f} % sparsity", icon=":material/arrow_forward:",
                     query_params=view)  # fmt: skip


def measure_here(study: engine.Study, sparsity: float) -> None:
    """Offer to measure the level under the cursor; when it is done the page shows it as measured."""
    if study.about["spec"]["data"] is None and "PRUNESCOPE_DATA" not in os.environ:
        st.caption("This sparsity was not measured; values marked ≈ are interpolated. Measuring it needs a local copy of the "
                   "study's data: see the README, PRUNESCOPE_DATA.")  # fmt: skip
        return
    left, right = st.columns([1, 3], vertical_alignment="center")
    if left.button(f"Measure {100 * sparsity:.0f} % now", key="measure", width="stretch"):
        running.replace("measuring", workbench().submit("measure", study=study.key, sparsity=sparsity), workbench())
    with right:
        st.caption("This sparsity was not measured; values marked ≈ are interpolated. Measuring it solves the pruned model, "
                   "evaluates it, and attacks the study's examples.")  # fmt: skip
    job: engine.Job | None = st.session_state.get("measuring")
    if job is None or job.arguments["study"] != study.key:
        return
    if job.active:
        running.watch("measuring", job, workbench(), 0.4, _draw)
    else:
        running.ended(job)


def _draw(job: engine.Job) -> None:
    share, text = running.told(job)
    st.progress(share, text=text)

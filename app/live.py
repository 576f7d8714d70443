"""The live panel: one sentence, attacked on the dense and on the pruned model side by side."""

import html
import os
from typing import Any

import pandas as pd
import streamlit as st

import engine
from app import charts
from app.export_bar import export_bar
from app.state import dark, reviews, workbench
from app.text import plain

FIRST = "A warm, funny film that never wastes a minute of your time."
STYLE = """<style>
.side p { font-size: 1.05rem; line-height: 1.65; margin: 0 0 .4rem 0; overflow-wrap: anywhere; unicode-bidi: isolate; }
.side u { text-decoration-thickness: 2px; text-underline-offset: 3px; font-weight: 600; }
.side .was { opacity: .6; font-size: .85em; }
</style>"""


def live_panel(study: engine.Study, sparsity: float) -> None:
    """The form, and below it the job that is running or the result of the last one."""
    st.subheader("Attack a sentence, dense and pruned side by side", anchor=False)
    texts, labels = reviews()
    names = study.about["label_names"]
    reviewed = list(names) == ["negative", "positive"]
    if reviewed:  # the reviews say nothing to a model of other classes
        st.selectbox("Start from a review of the evaluation set, or type your own below", [None, *range(len(texts))],
                     format_func=lambda row: "–" if row is None else f"{texts[row][:110]}", key="picked",
                     on_change=_take)  # fmt: skip
    st.session_state.setdefault("text", FIRST)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        text = st.text_area("Sentence", key="text", max_chars=1000, height=90)
    with right:
        truth = st.selectbox("True label", [None, *range(len(names))], key="truth",
                             format_func=lambda label: "automatic" if label is None else names[label],
                             help="Automatic: a review's own label; for other text, what the dense model says.")  # fmt: skip
        start = st.button(f"Attack at {100 * sparsity:.0f} % sparsity", type="primary", key="attack", width="stretch")
    if truth is None and text in texts and reviewed:
        truth = labels[texts.index(text)]
    if start:
        _replace_job("live", workbench().submit("attack", study=study.key, sparsity=sparsity, text=text, label=truth))
    _progress("live", study)
    job = _job("live", study)
    if job is not None and job.state == "done":
        _result(job.result)


def _take() -> None:
    row = st.session_state["picked"]
    if row is not None:
        st.session_state["text"] = reviews()[0][row]
        st.session_state["truth"] = None


def measure_here(study: engine.Study, sparsity: float) -> None:
    """Offer to measure the level under the cursor; when it is done the page shows it as measured."""
    if study.about["spec"]["data"] is None and "PRUNESCOPE_DATA" not in os.environ:
        st.caption("This sparsity was not measured; values marked ≈ are interpolated. Measuring it needs a local copy of the "
                   "study's data: see the README, PRUNESCOPE_DATA.")  # fmt: skip
        return
    left, right = st.columns([1, 3], vertical_alignment="center")
    if left.button(f"Measure {100 * sparsity:.0f} % now", key="measure", width="stretch"):
        _replace_job("measuring", workbench().submit("measure", study=study.key, sparsity=sparsity))
    with right:
        st.caption("This sparsity was not measured; values marked ≈ are interpolated. Measuring it solves the pruned model, "
                   "evaluates it, and attacks the study's examples.")  # fmt: skip
    _progress("measuring", study)


def _replace_job(slot: str, job: engine.Job) -> None:
    old = st.session_state.get(slot)
    if old is not None:
        workbench().cancel(old)
    st.session_state[slot] = job


def _job(slot: str, study: engine.Study) -> engine.Job | None:
    """The slot's job, if it belongs to the study that is shown."""
    job: engine.Job | None = st.session_state.get(slot)
    return job if job is not None and job.arguments["study"] == study.key else None


def _progress(slot: str, study: engine.Study) -> None:
    job = _job(slot, study)
    if job is None or job.state == "done":
        return
    if not job.active:
        if job.state == "failed":
            st.error(plain(job.reason))
        else:
            st.info("Cancelled. Nothing that was finished is lost.")
        return

    @st.fragment(run_every=0.4, key=f"progress-{slot}")
    def poll() -> None:
        if not job.active:
            st.rerun()
        left = job.pace.seconds_left(job.done, job.total)
        waiting = "Waiting for the worker" if job.state == "queued" or not job.stage else job.stage
        about = f", about {left:.0f} s left" if left is not None and left > 1 else ""
        st.progress(job.share, text=f"{waiting}{about}")
        if job.steps:
            side, queries, lowest = job.steps[-1]
            st.text(f"{side}: {queries} queries, confidence in the true label down to {100 * lowest:.1f} %")
        if st.button("Cancel", key=f"cancel-{slot}"):
            workbench().cancel(job)

    poll()


def _result(result: dict[str, Any]) -> None:
    if result["notice"]:
        st.info(plain(result["notice"]))
    if result["cut_at"]:
        st.info(f"The text is longer than the model's limit; it reads the first {result['cut_at']} tokens only.")
    names = result["label_names"]
    whose = "as given" if result["truth_given"] else "what the dense model says"
    st.text(f"True label: {names[result['truth']]} ({whose}). Same candidates, same seed for both.")
    for column, side in zip(st.columns(2), result["sides"], strict=True):
        with column:
            _side(side, result)
    st.caption("Lowest confidence in the true label over the queries so far; the first ones rank the words by masking each.")
    st.plotly_chart(charts.paths({side["name"]: [tuple(point) for point in side["path"]] for side in result["sides"]},
                                 names[result["truth"]], dark()), key="paths", config=charts.CONFIG,
                    alt="Lowest confidence in the true label against queries, dense and pruned")  # fmt: skip
    frame = pd.DataFrame([(side["name"], queries, lowest) for side in result["sides"] for queries, lowest in side["path"]],
                         columns=["model", "queries", "lowest_confidence"])  # fmt: skip
    export_bar("paths", "prunescope-attack", frame, {"attack": result["attack"], "sparsity": result["sparsity"],
                                                     "text": result["text"]})  # fmt: skip


def _side(side: dict[str, Any], result: dict[str, Any]) -> None:
    names, outcome = result["label_names"], side["outcome"]
    title = "Dense" if side["name"] == "dense" else f"Pruned to {100 * result['sparsity']:.0f} %"
    verdict = {"broken": "broken", "held": "held", "skipped": "wrong without any attack",
               "exhausted": "not broken within its budget"}[outcome]
    st.markdown(f"**{title}: {verdict}**")
    st.html(STYLE + f'<div class="side"><p>{marked(side["changes"], outcome == "broken")}</p></div>')
    said = (f"says {names[side['label_before']]}" if outcome != "broken"
            else f"{names[side['label_before']]} → {names[side['label_after']]}")  # fmt: skip
    numbers = f"{said}; confidence in the true label {100 * side['truth_before']:.1f} %"
    if outcome == "broken":
        numbers += f" → {100 * side['truth_after']:.1f} %"
    st.text(f"{numbers}\n{side['queries']} queries, {side['words_changed']} of {side['words']} words changed")


def marked(changes: list[list[str]], broken: bool) -> str:
    """The attacked text as HTML, every piece escaped; changed words underlined, in brackets, with what they were."""
    parts = []
    for before, after in changes:
        if before == after or not broken:
            parts.append(html.escape(before))
        else:
            parts.append(f"<u>[{html.escape(after)}]</u> <span class='was'>({html.escape(before)})</span>")
    return " ".join(parts)

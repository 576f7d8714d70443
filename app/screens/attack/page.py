"""Attack: one sentence on the dense model and up to three sparse ones, step by step, and a batch in
the background.
"""

from pathlib import Path

import streamlit as st

from prunescope.app.charts.palette import GREEN, ink
from prunescope.app.components import job_progress
from prunescope.app.components.empty_state import studies_or_stop
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.components.result_watch import watch_result
from prunescope.app.screens.attack import curated, selection
from prunescope.app.screens.attack.batch import batch
from prunescope.app.screens.attack.form import Form, form
from prunescope.app.screens.attack.link import take_up
from prunescope.app.screens.attack.outcome import outcome
from prunescope.app.screens.attack.victims import show_readiness
from prunescope.app.state import address
from prunescope.app.state.resources import attack_runs, background, dark
from prunescope.engine.reading import commands

STYLE = Path(__file__).with_name("attack.css")


def main() -> None:
    """Draw the page."""
    view, studies = studies_or_stop("An attack needs the dense and the pruned models of a study.")
    notices = list[str]()
    if (linked := address.entered()) is not None:
        notices = take_up(linked, studies) + _resume_jobs(linked)
    colour = f":root {{ --ps-withstands: {ink(GREEN, dark())}; }}"
    st.html(f"<style>{colour}\n{STYLE.read_text(encoding='utf-8')}</style>")
    header = page_header("Watch a sentence break", 2)
    with header.controls[0]:
        study, of_study = selection.pick_attacked(studies)
    show_notices(view.notices, [*of_study, *notices])
    curated.cards(studies)
    left, right = st.columns([2, 3], gap="large")
    with left, st.container(key="a-form"):
        inputs, below_text = form(study, studies)
        with below_text:
            _start_button(inputs)
            show_readiness(inputs.request())
        _commands(inputs)
    with right, st.container(key="a-outcome"):
        outcome(inputs)
    run = job_progress.attack_in_slot()
    watch_result(run and run.arguments["text"], run and run.token)
    with st.expander("Attack a batch of examples in the background", expanded=_has_batch()):
        batch(inputs)
    selection.travel(study, inputs.victims)
    selection.prune_around(study, inputs.victims)
    address.write_own({**inputs.view(), "job": _token("attack"), "batch": _token("batch")})


def _resume_jobs(linked: dict[str, str]) -> list[str]:
    """Take up what the address says was running, after a reload."""
    resumed = {
        "attack": job_progress.resume_from_link("attack", linked.get("job"), attack_runs()),
        "batch": job_progress.resume_from_link("batch", linked.get("batch"), background()),
    }
    return [
        f"The {name} of this link is over and no longer in memory; start it again."
        for name, resumed_here in resumed.items()
        if not resumed_here
    ]


def _token(slot: str) -> str | None:
    job = st.session_state.get(slot)
    return None if job is None else str(job.token)


def _has_batch() -> bool:
    return st.session_state.get("batch") is not None


def _start_button(inputs: Form) -> None:
    if notice := st.session_state.pop("a-said", None):
        st.info(notice)
    pressed = st.button(
        "Attack",
        type="primary",
        key="a-start",
        disabled=not inputs.has_words,
        width="stretch",
        help=None if inputs.has_words else "There are no words to attack.",
    )
    if curated.was_chosen() or pressed:
        job_progress.begin(
            "attack",
            attack_runs(),
            "attack",
            text=inputs.text,
            label=inputs.truth,
            **inputs.request(),
        )


def _commands(inputs: Form) -> None:
    own = [sparsity for study, sparsity in inputs.victims[1:] if study.key == inputs.study.key]
    if not own or not inputs.has_words:
        return
    request = commands.AttackCommand(
        " ".join(inputs.text.split()),
        inputs.attack,
        inputs.truth,
        inputs.seed,
        inputs.queries,
        inputs.seconds,
    )
    lines = [commands.attack_command(inputs.study, sparsity, request) for sparsity in own]
    with st.expander("Reproduce this attack on the command line"):
        st.code(commands.shell(*lines), language="sh")


main()

"""Attack: one sentence on the dense model and up to three sparse ones, step by step, and a batch in
the background.
"""

import streamlit as st

from prunescope.app.components import job_progress
from prunescope.app.components.empty_state import studies_or_stop
from prunescope.app.components.notices import message, show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.screens.attack import progress, result
from prunescope.app.screens.attack.batch import batch
from prunescope.app.screens.attack.form import Form, form, pick_attacked
from prunescope.app.screens.attack.link import take_up
from prunescope.app.state import address
from prunescope.app.state.resources import background, workbench
from prunescope.engine.reading import commands


def main() -> None:
    """Draw the page."""
    view, studies = studies_or_stop("An attack needs the dense and the pruned models of a study.")
    notices = list[str]()
    if (linked := address.entered()) is not None:
        notices = take_up(linked, studies) + _resume_jobs(linked)
    header = page_header("Attack side by side", 2)
    with header.controls[0]:
        study, of_study = pick_attacked(studies)
    show_notices(view.notices, [*of_study, *notices])
    inputs = form(study, studies)
    ready = not inputs.missing
    _prepare(inputs)
    if st.button(
        "Attack",
        type="primary",
        key="a-start",
        disabled=not (ready and inputs.has_words),
        width=220,
        help=None if inputs.has_words else "There are no words to attack.",
    ):
        _start(inputs)
    _outcome(inputs)
    _commands(inputs)
    st.divider()
    batch(inputs, ready)
    address.write_own({**inputs.view(), "job": _token("attack"), "batch": _token("batch")})


def _resume_jobs(linked: dict[str, str]) -> list[str]:
    """Take up what the address says was running, after a reload."""
    resumed = {
        "attack": job_progress.resume_from_link("attack", linked.get("job"), workbench()),
        "batch": job_progress.resume_from_link("batch", linked.get("batch"), background()),
    }
    return [
        f"The {name} of this link is over and no longer in memory; start it again."
        for name, resumed_here in resumed.items()
        if not resumed_here
    ]


def _token(slot: str) -> str | None:
    job = job_progress.in_slot(slot)
    return None if job is None else job.token


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


def _prepare(inputs: Form) -> None:
    """Have the victims loaded, or pruned, while the sentence is being chosen; a newer choice takes
    the place of an older.
    """
    request = inputs.request()
    old = job_progress.in_slot("ready")
    if inputs.missing or (old is not None and old.arguments == request):
        return
    job_progress.begin("ready", workbench(), "ready", **request)


def _start(inputs: Form) -> None:
    job_progress.begin(
        "attack", workbench(), "attack", text=inputs.text, label=inputs.truth, **inputs.request()
    )


def _outcome(inputs: Form) -> None:
    """The attack that was started last, running or done; before the first, what is prepared."""
    job = job_progress.in_slot("attack")
    if job is None:
        _preparation()
    elif job.active:
        truth = job.arguments["label"]
        names = inputs.study.about["label_names"]
        label = names[truth] if truth is not None and truth < len(names) else None
        job_progress.watch(
            "attack",
            job,
            workbench(),
            0.25,
            lambda job: progress.head(job, job_progress.in_slot("ready")),
            lambda job: progress.live(job, label),
        )
    elif job_progress.show_end(job) and job.result is not None:
        result.result(job.result)


def _preparation() -> None:
    """Say what the worker prepares, before the first attack."""
    job = job_progress.in_slot("ready")
    if job is None:
        return

    def draw() -> None:
        if job.state == "failed":
            st.info(message(job.reason))
        elif job.active:
            job_progress.bar(job, "Getting the models ready: ")
        else:
            st.caption("The models are ready.")

    job_progress.poll("progress-ready", 1.0 if job.active else None, draw)


main()

"""Attack: one sentence on the dense model and up to three sparse ones, step by step, and a batch in
the background.
"""

import streamlit as st

from prunescope import engine
from prunescope.app.components import job_progress
from prunescope.app.components.parts import notices_of
from prunescope.app.components.text import plain
from prunescope.app.screens.attack import result
from prunescope.app.screens.attack.batch import batch
from prunescope.app.screens.attack.form import Form, form, pick_study, take_up
from prunescope.app.state import address
from prunescope.app.state.resources import background, store, workbench
from prunescope.engine.reading import commands


def main() -> None:
    there = store()
    studies = there.studies()
    if not studies:
        st.header("No study yet")
        st.text("An attack needs the victims of a study. Run one with: python -m engine demo")
        notices_of(there.notices)
        return
    notices = list[str]()
    if (linked := address.entered()) is not None:
        notices = take_up(linked, studies) + _jobs_again(linked)
    left, right = st.columns([3, 2], vertical_alignment="bottom", gap="medium")
    with left:
        st.title("Attack side by side", anchor=False)
    with right:
        study = pick_study(studies)
    notices_of(there.notices, notices)
    asked = form(study, studies)
    ready = not asked.missing
    _ready(asked)
    if st.button(
        "Attack",
        type="primary",
        key="a-start",
        disabled=not (ready and asked.has_words),
        width=220,
        help=None if asked.has_words else "There are no words to attack.",
    ):
        _start(asked)
    _shown(asked)
    _commands(asked)
    st.divider()
    batch(asked, ready)
    address.write_all({**asked.view(), "job": _token("attack"), "batch": _token("batch")})


def _jobs_again(linked: dict[str, str]) -> list[str]:
    """Take up what the address says was running, after a reload."""
    gone = "The {} of this link is over and no longer in memory; start it again."
    kept = {
        "attack": job_progress.found_again("attack", linked.get("job"), workbench()),
        "batch": job_progress.found_again("batch", linked.get("batch"), background()),
    }
    return [gone.format(name) for name, there in kept.items() if not there]


def _token(slot: str) -> str | None:
    job: engine.Job | None = st.session_state.get(slot)
    return None if job is None else job.token


def _commands(asked: Form) -> None:
    own = [sparsity for study, sparsity in asked.chosen[1:] if study.key == asked.study.key]
    if own and asked.has_words:
        request = commands.AttackRequest(
            " ".join(asked.text.split()),
            asked.attack,
            asked.truth,
            asked.seed,
            asked.queries,
            asked.seconds,
        )
        lines = [commands.attack_command(asked.study, sparsity, request) for sparsity in own]
        with st.expander("Run this yourself: the same attack on the command line"):
            st.code(commands.shell(*lines), language="sh")


def _ready(asked: Form) -> None:
    """Have the victims loaded, or solved, while the sentence is being chosen; a newer choice takes
    the place of an older.
    """
    wanted = asked.request()
    old: engine.Job | None = st.session_state.get("ready")
    if asked.missing or (old is not None and old.arguments == wanted):
        return
    job_progress.begin("ready", workbench(), "ready", **wanted)


def _start(asked: Form) -> None:
    job_progress.begin(
        "attack", workbench(), "attack", text=asked.text, label=asked.truth, **asked.request()
    )


def _shown(asked: Form) -> None:
    job: engine.Job | None = st.session_state.get("attack")
    if job is None:
        _getting_ready()
    elif job.active:
        truth = job.arguments["label"]
        names = asked.study.about["label_names"]
        label = names[truth] if truth is not None and truth < len(names) else None
        job_progress.watch(
            "attack",
            job,
            workbench(),
            0.25,
            lambda job: result.head(job, st.session_state.get("ready")),
            lambda job: result.live(job, label),
        )
    elif job_progress.ended(job) and job.result is not None:
        result.result(job.result)


def _getting_ready() -> None:
    """Say what the worker prepares, before the first attack."""
    job: engine.Job | None = st.session_state.get("ready")
    if job is None:
        return

    @st.fragment(run_every=1.0 if job.active else None, key="progress-ready")
    def poll() -> None:
        if job.state == "failed":
            st.info(plain(job.reason))
        elif job.active:
            job_progress.bar(job, "Getting the victims ready: ")
        else:
            st.caption("The victims are ready.")

    poll()


main()

"""Attack: one sentence on the dense model and up to three sparse ones, step by step, and a batch in the background."""

import streamlit as st

import engine
from app import attack_view, running, victims, view
from app.attack_batch import batch
from app.attack_form import Form, form, pick_study, take_up
from app.parts import notices_of
from app.state import background, store, workbench
from app.text import plain


def main() -> None:
    there = store()
    studies = there.studies()
    if not studies:
        st.header("No study yet")
        st.text("An attack needs the victims of a study. Run one with: python -m engine demo")
        notices_of(there.notices)
        return
    notices = list[str]()
    if (linked := view.entered()) is not None:
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
    if st.button("Attack", type="primary", key="a-start", disabled=not (ready and asked.has_words), width=220,
                 help=None if asked.has_words else "There are no words to attack."):  # fmt: skip
        _start(asked)
    _shown(asked)
    _commands(asked)
    st.divider()
    batch(asked, ready)
    view.write_all({**asked.view(), "job": _token("attack"), "batch": _token("batch")})


def _jobs_again(linked: dict[str, str]) -> list[str]:
    """Take up what the address says was running, after a reload."""
    gone = "The {} of this link is over and no longer in memory; start it again."
    kept = {"attack": running.found_again("attack", linked.get("job"), workbench()),
            "batch": running.found_again("batch", linked.get("batch"), background())}  # fmt: skip
    return [gone.format(name) for name, there in kept.items() if not there]


def _token(slot: str) -> str | None:
    job: engine.Job | None = st.session_state.get(slot)
    return None if job is None else job.token


def _commands(asked: Form) -> None:
    own = [sparsity for study, sparsity in asked.chosen[1:] if study.key == asked.study.key]
    if own and asked.has_words:
        with st.expander("Run this yourself: the same attack on the command line"):
            st.code(victims.commands(asked.study, own, " ".join(asked.text.split()), asked.truth, asked.attack, asked.seed,
                                     asked.queries, asked.seconds), language="sh")  # fmt: skip


def _ready(asked: Form) -> None:
    """Have the victims loaded, or solved, while the sentence is being chosen; a newer choice takes the place of an older."""
    wanted = asked.request()
    old: engine.Job | None = st.session_state.get("ready")
    if asked.missing or (old is not None and old.arguments == wanted):
        return
    running.begin("ready", workbench(), "ready", **wanted)


def _start(asked: Form) -> None:
    running.begin("attack", workbench(), "attack", text=asked.text, label=asked.truth, **asked.request())


def _shown(asked: Form) -> None:
    job: engine.Job | None = st.session_state.get("attack")
    if job is None:
        _getting_ready()
    elif job.active:
        truth = job.arguments["label"]
        names = asked.study.about["label_names"]
        label = names[truth] if truth is not None and truth < len(names) else None
        running.watch("attack", job, workbench(), 0.25, lambda job: attack_view.head(job, st.session_state.get("ready")),
                      lambda job: attack_view.live(job, label))  # fmt: skip
    elif running.ended(job) and job.result is not None:
        attack_view.result(job.result)


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
            running.bar(job, "Getting the victims ready: ")
        else:
            st.caption("The victims are ready.")

    poll()


main()

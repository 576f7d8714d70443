"""An attack on a sentence while it runs: how far it is, the texts and the paths as they stand."""

import streamlit as st

from prunescope import engine
from prunescope.app.components import job_progress
from prunescope.app.components.text_diff import marked
from prunescope.app.screens.attack.sides import paths_chart, queries, side_text

STAGES = {"start": "reading the sentence", "rank": "ranking the words", "try": "trying changes"}


def head(job: engine.LiveJob, behind: engine.LiveJob | None) -> None:
    """One line on how far the attack is."""
    share, text = job_progress.share_and_sentence(job, behind)
    if not job.snapshots:
        st.progress(share, text=text)
        return
    most = max(look.queries for look in job.snapshots.values())
    attack = engine.ATTACKS.get(job.arguments["attack"], "")
    st.text(f"{attack} at work: {queries(most)}. Same candidates, same seed for all.")


def live(job: engine.LiveJob, label: str | None) -> None:
    """The texts and paths of the attack as it stands."""
    if not job.snapshots:
        return
    names = [victim["name"] for victim in job.arguments["victims"]]
    for index, (column, name) in enumerate(zip(st.columns(len(names)), names, strict=True)):
        look = job.snapshots.get(name, engine.AttackSnapshot())
        with column:
            stage = STAGES.get(look.kind, "waiting")
            side_text(index, f"{name}: {stage}", marked(_changes(job, name)))
            lowest = look.path[-1][1] if look.path else 1.0
            st.text(f"{queries(look.queries)}, confidence down to {100 * lowest:.1f}%")
    paths_chart({name: look.path for name, look in job.snapshots.items()}, label)


def _changes(job: engine.LiveJob, name: str) -> list[list[str]]:
    look, text = job.snapshots.get(name), " ".join(job.arguments["text"].split())
    if look is None or look.text is None:
        return [[text, text]]
    return [[piece.before, piece.after] for piece in engine.word_changes(text, look.text)]

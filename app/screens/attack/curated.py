"""Sentences that a click attacks: each breaks one model, not another, and says where to look."""

from functools import partial

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.screens.attack import defaults as usual
from prunescope.app.state import address
from prunescope.engine.reading import levels


def cards(studies: list[engine.Study]) -> None:
    """The sentences whose study is in the store, three beside each other."""
    keys = {study.key[:12]: study for study in studies}
    curated = engine.curated_sentences()
    shown = [sentence for sentence in curated.sentences if sentence.study[:12] in keys]
    if not shown:
        return
    st.caption(plain(_origin(curated, len(shown))))
    with st.container(key="a-cards"):
        for start in range(0, len(shown), 3):
            for column, sentence in zip(st.columns(3), shown[start : start + 3], strict=False):
                with column:
                    st.button(
                        plain(sentence.text),
                        key=f"a-card-{shown.index(sentence)}",
                        on_click=partial(_choose, sentence, keys[sentence.study[:12]], studies),
                        width="stretch",
                        wrap=True,
                    )
                    st.caption(plain(sentence.look_at))


def _origin(curated: engine.CuratedSentences, count: int) -> str:
    """Where the sentences come from: they are no sample."""
    searched = (
        f"Click a sentence to attack it. These {count} are not typical: they were found by "
        f"searching {curated.searched} sentences written for this project."
    )
    if not curated.sparse_fails:
        return searched
    return (
        f"{searched} On {curated.sparse_fails} of those the dense model withstands and a pruned "
        f"one fails, on {curated.dense_fails} it is the reverse."
    )


def was_chosen() -> bool:
    """Whether this run follows a click on one of the sentences; once."""
    return bool(st.session_state.pop("a-go", False))


def _choose(
    sentence: engine.CuratedSentence, study: engine.Study, studies: list[engine.Study]
) -> None:
    """Fill the form with the sentence, its label, attack and seed, and the model that it breaks."""
    state = st.session_state
    selected = address.selection(studies).studies
    address.select(address.look_into(study.key, selected), 100 * sentence.sparsity)
    state["a-study"], state["a-sparsity"] = study.key, sentence.sparsity
    state["a-text"], state["a-truth"], state["a-row"] = sentence.text, sentence.label, None
    state["a-victims"] = [levels.level_id(study, sentence.sparsity)]
    state["a-attack"] = sentence.attack
    usual.set_budget({"seed": sentence.seed, "queries": 0, "seconds": 0})
    state["a-go"] = True

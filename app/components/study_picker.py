"""Picking studies: one select box or one multiselect for every page, and opening what was picked.

All pages show one selection, of which the address is the record: `pick_studies` and `pick_study`
read and write it. A page with room for fewer studies shows the first of them, and the others stay
selected.
"""

from collections.abc import Callable, Sequence

import streamlit as st

from prunescope import engine
from prunescope.app.state import address
from prunescope.app.state.limits import public
from prunescope.app.state.resources import read_study, signature, store


def study_names(studies: Sequence[engine.Study]) -> dict[str, str]:
    """Key → the study in words; no two read alike."""
    return dict(zip((study.key for study in studies), engine.full_names(studies), strict=True))


def pick_studies(
    studies: Sequence[engine.Study], most: int, names: dict[str, str] | None = None
) -> tuple[list[str], list[str]]:
    """The picker of the selection's studies: (keys that are picked, notices about the address's).

    `names` are those in the list, the studies' full names unless a page has shorter ones.
    """
    selection = address.selection(studies)
    shown, names = list(selection.first(most)), names or study_names(studies)
    if st.session_state.get("studies-seen") != (address.visit(), shown):
        st.session_state["studies"] = shown  # what it holds may be another page's
    keys = st.multiselect(
        "Studies",
        list(names),
        format_func=names.__getitem__,
        key="studies",
        max_selections=most,
        placeholder="Pick studies",
        wrap=True,
    )
    st.session_state["studies-seen"] = (address.visit(), keys)
    if keys and keys != shown:
        address.select(studies=keys)
    return keys, [*selection.notices, *_hidden(len(selection.studies), most)]


def pick_study(
    studies: Sequence[engine.Study], on_change: Callable[[], None] | None = None
) -> tuple[str, list[str]]:
    """The picker of the study that is looked into, the first of the selection: (its key, notices
    about the address's). The others of the selection stay after it, if it was one of them.
    """
    selection, names = address.selection(studies), study_names(studies)
    first = selection.studies[0]
    if st.session_state.get("study-seen") != (address.visit(), first):
        st.session_state["study"] = first
    key = str(
        st.selectbox(
            "Study", list(names), format_func=names.__getitem__, key="study", on_change=on_change
        )
    )
    st.session_state["study-seen"] = (address.visit(), key)
    if key != first:
        address.select(studies=address.look_into(key, selection.studies))
    return key, list(selection.notices)


def _hidden(selected: int, most: int) -> list[str]:
    return [f"The first {most} of {selected} selected studies are shown."] * (selected > most)


def open_studies(keys: Sequence[str]) -> tuple[list[engine.Study], list[str]]:
    """The studies with their levels, and what the store had to say; one without any level says
    where it stands.
    """
    studies, notices, unmeasured = list[engine.Study](), list[str](), list[engine.Study]()
    for key in keys:
        study, messages = read_study(key, signature(key))
        notices += messages
        if study is not None:
            (studies if study.levels else unmeasured).append(study)
    return studies, [*notices, *_unfinished_notices(unmeasured)]


def _unfinished_notices(studies: Sequence[engine.Study]) -> list[str]:
    """Where each of some studies without a level stands, in a sentence."""
    view, names = store(), study_names(studies)
    states = engine.unfinished(view, [study.key for study in studies])
    sentences = [f"{names[key]} {unfinished_sentence(state)}" for key, state in states.items()]
    return [*view.notices, *sentences]


def unfinished_sentence(state: engine.Unfinished) -> str:
    """A state's sentence; in public mode without its reason, which may name folders."""
    if public():
        return f"{state.sentence}."
    resume = "; resume it on the page Studies" if state.command else ""
    return f"{state.sentence}{resume}." + (f" {state.reason}" if state.reason else "")

"""Picking studies: one select box or one multiselect for every page, and opening what was picked.

Explore and Layers share one view, of which the address is the record: `pick_studies` and
`pick_shared_study` read and write it. Attack and Compare keep a view of their own and use
`select_study` and `select_studies`.
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


def select_study(
    names: dict[str, str], key: str, on_change: Callable[[], None] | None = None
) -> str:
    """The picker of one study; the key of the one that is picked."""
    return str(
        st.selectbox(
            "Study", list(names), format_func=names.__getitem__, key=key, on_change=on_change
        )
    )


def select_studies(names: dict[str, str], key: str, most: int) -> list[str]:
    """The picker of several studies; the keys of those that are picked."""
    return st.multiselect(
        "Studies",
        list(names),
        format_func=names.__getitem__,
        key=key,
        max_selections=most,
        placeholder="Pick studies",
        wrap=True,
    )


def pick_studies(studies: Sequence[engine.Study], most: int) -> tuple[list[str], list[str]]:
    """The studies of the shared view: (keys that are picked, notices about the address's)."""
    linked, notices = _linked(studies, most)
    if st.session_state.get("studies-seen") != linked or "studies" not in st.session_state:
        st.session_state["studies"] = linked
    keys = select_studies(study_names(studies), "studies", most)
    st.session_state["studies-seen"] = keys
    if keys:
        _write(keys)
    return keys, notices


def pick_shared_study(studies: Sequence[engine.Study], most: int) -> tuple[str, list[str]]:
    """The first study of the shared view; the others stay in the address."""
    linked, notices = _linked(studies, most)
    if st.session_state.get("study-seen") != linked[0] or "study" not in st.session_state:
        st.session_state["study"] = linked[0]
    key = select_study(study_names(studies), "study")
    st.session_state["study-seen"] = key
    _write([key, *(other for other in linked if other != key)] if key in linked else [key])
    return key, notices


def _linked(studies: Sequence[engine.Study], most: int) -> tuple[list[str], list[str]]:
    keys, notices = address.studies(studies, most)
    return keys or [studies[0].key], notices


def _write(keys: Sequence[str]) -> None:
    address.write("study", ",".join(key[:12] for key in keys))


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

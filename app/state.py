"""What all sessions of the app share: the store, the worker process, and studies read from the store."""

import os
from pathlib import Path

import streamlit as st

import engine


@st.cache_resource
def workbench() -> engine.Workbench:
    """The app's one worker process; it loads its libraries while the first page is being read."""
    return engine.Workbench(os.environ.get("PRUNESCOPE_CACHE"))


@st.cache_resource
def background() -> engine.Workbench:
    """A second worker for batches, so that a sentence need not wait behind one; it starts with the first batch."""
    return engine.Workbench(os.environ.get("PRUNESCOPE_CACHE"))


def store() -> engine.Store:
    """A fresh view of the store; its notices belong to this run of the page."""
    return engine.Store(os.environ.get("PRUNESCOPE_CACHE"))


def signature(key: str) -> tuple[tuple[str, int], ...]:
    """Changes whenever an entry of the study is written, moved or damaged."""
    view = store()
    files = [path for base in (view.bundled, view.root) for path in Path(base, "studies", key).glob("*.json")]
    return tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files))


@st.cache_data(max_entries=16, show_spinner=False)
def read_study(key: str, seen: tuple[tuple[str, int], ...]) -> tuple[engine.Study | None, list[str]]:
    """A study with its levels, and what the store had to say; read again only when `seen` changes."""
    view = store()
    return view.study(key), view.notices


@st.cache_resource(max_entries=8, show_spinner=False)
def evaluation_texts(key: str) -> tuple[engine.Examples | None, str]:
    """The evaluation set of a study, or why its texts cannot be shown. Nobody writes on it, so it is shared, not copied."""
    study = store().study(key)
    if study is None:
        return None, "The study is not in this store."
    try:
        return engine.evaluation_texts(study), ""
    except engine.PruneScopeError as error:
        return None, str(error)


@st.cache_data(show_spinner=False)
def attacks_here(folder: str | None) -> dict[str, tuple[str, ...]]:
    """Every attack with what it lacks on this machine."""
    try:
        return engine.attacks_here(folder)
    except engine.PruneScopeError as error:  # the study's own folder of resources is not here, and no attack works without
        return dict.fromkeys(engine.ATTACKS, (str(error),))


def dark() -> bool:
    """Whether the page is shown in a dark theme."""
    return st.context.theme.type == "dark"

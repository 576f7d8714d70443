"""What all sessions of the app share: the store, the worker process, and studies read from the
store.
"""

import os
from dataclasses import replace
from pathlib import Path

import streamlit as st

from prunescope import engine

BEHIND = 5  # how nice the second worker is, as the operating system counts it
Signature = tuple[tuple[str, int], ...]  # (path, time of the last change) of each file


@st.cache_resource
def workbench() -> engine.Workbench:
    """The app's one worker process; it loads its libraries while the first page is being read."""
    return engine.Workbench(os.environ.get("PRUNESCOPE_CACHE"))


@st.cache_resource
def background() -> engine.Workbench:
    """A second worker for batches and for models that must be pruned first, so that a sentence
    need not wait behind one; it starts with the first of them, and yields to the first worker and
    to the browser.
    """
    return engine.Workbench(os.environ.get("PRUNESCOPE_CACHE"), nice=BEHIND)


@st.cache_resource
def attack_runs() -> engine.AttackRuns:
    """The attacks on several models, which both workers share."""
    return engine.AttackRuns(workbench(), background())


@st.cache_resource
def look_runs() -> engine.LookRuns:
    """The looks inside models, which both workers share."""
    return engine.LookRuns(workbench(), background())


@st.cache_resource
def ahead() -> engine.Ahead:
    """What is pruned while nothing is asked for."""
    return engine.Ahead(workbench(), background())


@st.cache_resource
def jobs() -> engine.JobQueue:
    """The studies that run in the background; what they are is in the user's folder, not in this
    process.
    """
    return engine.JobQueue(os.environ.get("PRUNESCOPE_CACHE"))


def store() -> engine.Store:
    """A fresh view of the store; its notices belong to this run of the page."""
    return engine.Store(os.environ.get("PRUNESCOPE_CACHE"))


def signature(key: str) -> Signature:
    """Changes whenever an entry of the study is written, moved or damaged."""
    view = store()
    folders = (
        Path(view.bundled, "studies", key),
        Path(view.root, "studies", key),
        Path(view.root, "latency", key),
    )
    files = [path for folder in folders for path in folder.glob("*.json")]
    return tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files))


@st.cache_resource(max_entries=16, show_spinner=False)
def read_study(key: str, version: Signature) -> tuple[engine.Study | None, list[str]]:
    """A study with its levels and this machine's times, and what the store had to say; read again
    only when `version` changes.
    """
    view = store()
    study = view.study(key)
    if study is not None:
        study = replace(study, about={**study.about, "timed": engine.timed_levels(view, study)})
    return study, view.notices


def alternatives() -> tuple[list[engine.BaselineTable], list[str]]:
    """The tables of other ways to a smaller model, and what the store had to say; read again only
    when a file changes.
    """
    view = store()
    files = [
        path
        for folder in (view.bundled, view.root)
        for path in (folder / "alternatives").glob("*.json")
    ]
    return _alternatives(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files)))


@st.cache_resource(max_entries=2, show_spinner=False)
def _alternatives(
    version: Signature,
) -> tuple[list[engine.BaselineTable], list[str]]:
    view = store()
    return engine.baseline_tables(view), view.notices


@st.cache_data(max_entries=64, show_spinner=False)
def safe_sparsity(key: str, version: Signature, points: float) -> engine.SafeSparsity | None:
    """The safe sparsity of a study for a tolerance."""
    study, _ = read_study(key, version)
    return engine.last_safe(study, points) if study is not None else None


@st.cache_resource(max_entries=8, show_spinner=False)
def evaluation_texts(key: str) -> tuple[engine.Examples | None, str]:
    """The evaluation set of a study, or why its texts cannot be shown. Nobody writes on it, so it
    is shared, not copied.
    """
    study = store().study(key)
    if study is None:
        return None, "The study is not in this store."
    try:
        return engine.evaluation_texts(study), ""
    except engine.PruneScopeError as error:
        return None, engine.labelled(str(error))


@st.cache_data(show_spinner=False)
def reviews() -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The shipped reviews to pick from."""
    examples = engine.bundled_reviews()
    return examples.texts, examples.labels


@st.cache_data(show_spinner=False)
def attacks_here(folder: str | None) -> dict[str, tuple[str, ...]]:
    """Every attack with what it lacks on this machine."""
    try:
        lacking: dict[str, tuple[str, ...]] = engine.attacks_here(folder)
    except engine.PruneScopeError as error:  # the study's resources are missing: no attack works
        lacking = dict.fromkeys(engine.ATTACKS, (engine.labelled(str(error)),))
    return lacking


def dark() -> bool:
    """Whether the page is shown in a dark theme."""
    return st.context.theme.type == "dark"

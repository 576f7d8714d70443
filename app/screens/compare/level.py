"""Measured levels on the compare page: their names and their picker."""

import streamlit as st

from prunescope import engine
from prunescope.app.charts.compare import Level
from prunescope.app.state import address
from prunescope.engine.reading import levels


def level_name(studies: list[engine.Study], level: Level) -> str:
    """A level in words; its study is named where several are shown."""
    short = engine.short_names(studies)[[study.key for study in studies].index(level.study.key)]
    share = f"{100 * level.sparsity:g}%" if level.sparsity else "dense"
    return share if len(studies) == 1 else f"{short}, {share}"


def nearest(study: engine.Study, sparsity: float) -> str:
    """The id of the measured level nearest to a sparsity."""
    measured = (level.sparsity for level in study.levels)
    return levels.level_id(study, min(measured, key=lambda level: abs(level - sparsity)))


def pick_level(
    title: str, name: str, studies: list[engine.Study], default: str, help: str | None = None
) -> Level:
    """The picker; a level that a link names and that is not here gets a notice."""
    state = st.session_state
    offered = {
        levels.level_id(study, level.sparsity): Level(study, level.sparsity)
        for study in studies
        for level in study.levels
    }
    linked = state.get("c-named", {}).pop(name, None)
    if linked is not None and linked not in offered:
        st.info(
            f"The link names the level {address.quoted(linked)}, which is not measured in the "
            "studies that are shown."
        )
    if state.get(f"c-{name}") not in offered:
        state[f"c-{name}"] = default
    labels = {key: level_name(studies, level) for key, level in offered.items()}
    key = st.selectbox(
        title, list(offered), key=f"c-{name}", format_func=labels.__getitem__, help=help
    )
    return offered[key]

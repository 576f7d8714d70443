"""A page's cursor, told to the worker that prunes what is next to it while nothing is asked for."""

import secrets

import streamlit as st

from prunescope import engine
from prunescope.app.components import job_progress
from prunescope.app.state import limits
from prunescope.app.state.resources import ahead
from prunescope.engine.reading import series

EVERY = 3.0  # seconds between two looks


def prune_ahead(study: engine.Study, stops: list[float], percent: float) -> None:
    """Have the sparsities at and next to a cursor pruned while this page is open."""
    if not limits.prunes_ahead() or not engine.is_worth_pruning_ahead(study):
        return
    page = st.session_state.setdefault("page-of-cursor", secrets.token_hex(8))
    own = series.own_sparsity(study)
    sparsities = engine.next_to(stops if own is None else [100 * own], percent)
    job_progress.poll("ahead", EVERY, lambda: ahead().look(page, study.key, sparsities))

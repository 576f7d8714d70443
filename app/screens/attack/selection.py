"""Which study is attacked: the first of the selection that all pages share, at its sparsity."""

import streamlit as st

from prunescope import engine
from prunescope.app.components.prune_ahead import prune_ahead
from prunescope.app.components.study_picker import pick_study
from prunescope.app.screens.attack import defaults as usual
from prunescope.app.screens.attack.victims import Victim
from prunescope.app.state import address
from prunescope.app.state.resources import read_study, signature
from prunescope.engine.reading import series


def pick_attacked(studies: list[engine.Study]) -> tuple[engine.Study, list[str]]:
    """(the study whose dense model and data are used, notices about the address's)."""
    key, notices = pick_study(studies)
    study = next(study for study in studies if study.key == key)
    if st.session_state.get("a-study") != key:  # another was picked, or it was removed
        st.session_state["a-study"] = key
        usual.reset(study)
    return study, notices


def travel(study: engine.Study, victims: list[Victim]) -> None:
    """Take the sparsity of the study's own first model along to the other pages, where another was
    picked here.
    """
    own = _own(study, victims)
    if own is not None and st.session_state.get("a-sparsity") not in (None, own):
        address.select(sparsity=round(100 * own, 4))
    st.session_state["a-sparsity"] = own


def prune_around(study: engine.Study, victims: list[Victim]) -> None:
    """Have what is next to the study's own first model pruned while this page is open."""
    measured, _ = read_study(study.key, signature(study.key))
    own = _own(study, victims)
    if measured is not None and own is not None:
        prune_ahead(measured, series.stops([measured]), 100 * own)


def _own(study: engine.Study, victims: list[Victim]) -> float | None:
    """The sparsity of the study's own first model."""
    return next((sparsity for other, sparsity in victims[1:] if other.key == study.key), None)

"""The slider of the explore page, with the safe sparsity beside it, and the tolerance."""

import streamlit as st

from prunescope import engine
from prunescope.app.charts.panels import SafeLimit
from prunescope.app.charts.text import plain
from prunescope.app.components import instrument
from prunescope.app.components.notices import show_notices
from prunescope.app.components.shared_slider import pick_sparsity, safe_track
from prunescope.engine.reading import series
from prunescope.engine.reading.verdicts import safe_explanation, safe_headline


def slider(
    studies: list[engine.Study], stops: list[float], safe: engine.SafeSparsity | None
) -> float:
    """The slider, with what the first study measured and its safe sparsity; the percentage where it
    stands.
    """
    return pick_sparsity(studies, stops, safe_track(safe))


def limit(safe: engine.SafeSparsity | None) -> SafeLimit | None:
    """The safe limit as the panels mark it."""
    return None if safe is None else SafeLimit(100 * safe.sure, 100 * safe.sparsity)


def answer(studies: list[engine.Study], safe: engine.SafeSparsity | None, points: float) -> None:
    """Up to which sparsity the first study is safe, and what makes that doubtful."""
    study = studies[0]
    measured = [round(100 * level.sparsity, 4) for level in study.levels]
    shown = _safe_text(safe, studies) if safe and len(measured) > 1 else ""
    st.caption(shown + _measured(study, measured))
    dense = study.level(0.0)
    show_notices([*engine.doubts(study, points), *(dense.notices if dense else ())])


def _measured(study: engine.Study, measured: list[float]) -> str:
    if (own := series.own_sparsity(study)) is not None:
        return f"The pattern {study.about['pattern']} has one sparsity, {100 * own:g}%."
    if len(measured) == 1:
        return f"Measured at {measured[0]:g}% only."
    return instrument.STOPS_NOTE


def _safe_text(safe: engine.SafeSparsity, studies: list[engine.Study]) -> str:
    of_whom = f"{plain(engine.short_names(studies)[0])}: " if len(studies) > 1 else ""
    return f"**{safe_headline(safe)}** ({of_whom}{safe_explanation(safe)}). "

"""The slider of the explore page, with the safe sparsity beside it, and the tolerance."""

import streamlit as st

from prunescope import engine
from prunescope.app.components import instrument
from prunescope.app.components.notices import show_notices
from prunescope.app.components.shared_slider import pick_sparsity
from prunescope.app.state import address
from prunescope.app.state.resources import safe_sparsity, signature
from prunescope.engine.reading import series
from prunescope.engine.reading.verdicts import safe_explanation, safe_headline


def tolerance() -> tuple[float, list[str]]:
    """The field for the tolerance: (points, notices about the address's value)."""
    linked, notices = address.number("tolerance", engine.TOLERANCE, 0.0, 50.0)
    st.session_state.setdefault("tolerance", linked)
    points = st.number_input(
        "Tolerance, points",
        0.0,
        50.0,
        step=0.5,
        format="%.1f",
        key="tolerance",
        help="A sparsity is safe if accuracy and accuracy under attack stay within this many "
        "points of the dense model at every measured sparsity up to it.",
    )
    address.write("tolerance", f"{points:g}", f"{engine.TOLERANCE:g}")
    return points, notices


def slider(studies: list[engine.Study], stops: list[float], points: float) -> float:
    """The slider, with what the first study measured and its safe sparsity; the percentage."""
    study = studies[0]
    measured = [round(100 * level.sparsity, 4) for level in study.levels]
    safe = safe_sparsity(study.key, signature(study.key), points)
    percent = pick_sparsity(studies, stops, _flag(safe))
    st.caption(
        _measured(study, measured) + (_safe_text(safe) if safe and len(measured) > 1 else "")
    )
    dense = study.level(0.0)
    show_notices([*engine.doubts(study, points), *(dense.notices if dense else ())])
    return percent


def _flag(safe: engine.SafeSparsity | None) -> dict[str, float] | None:
    if safe is None:
        return None
    return {"at": 100 * safe.sparsity, "low": 100 * safe.low, "high": 100 * safe.high}


def _measured(study: engine.Study, measured: list[float]) -> str:
    if (own := series.own_sparsity(study)) is not None:
        return f"The pattern {study.about['pattern']} has one sparsity, {100 * own:g}%. "
    if len(measured) == 1:
        return f"Measured at {measured[0]:g}% only. "
    return (
        f"Measured at {len(measured)} sparsity levels from {measured[0]:g}% to {measured[-1]:g}%; "
        f"{instrument.STOPS_NOTE} "
    )


def _safe_text(safe: engine.SafeSparsity) -> str:
    return f"**{safe_headline(safe)}**: {safe_explanation(safe)}."

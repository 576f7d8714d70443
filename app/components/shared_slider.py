"""The slider of the selection's sparsity, the same on every page that has one."""

import streamlit as st

from prunescope import engine
from prunescope.app.components import instrument
from prunescope.app.state import address


def pick_sparsity(
    studies: list[engine.Study], stops: list[float], safe: dict[str, float] | None = None
) -> float:
    """The slider, docked at the top of the page; the percentage, one of `stops`. Ticks are the
    first study's measured levels, `safe` its flag.
    """
    measured = [round(100 * level.sparsity, 4) for level in studies[0].levels]
    selected = address.sparsity(studies[0])
    start = min(stops, key=lambda stop: abs(stop - selected))
    with st.container(key="dock"):
        percent = instrument.slider(stops, start, measured, safe)
    if percent != start:
        address.select(sparsity=percent)
    return percent


def safe_track(safe: engine.SafeSparsity | None) -> dict[str, float] | None:
    """The three shades of the track, in per cent: certainly safe, probably, possibly."""
    if safe is None:
        return None
    return {"sure": 100 * safe.sure, "best": 100 * safe.sparsity, "possible": 100 * safe.possible}

"""The field for the tolerance of a safe sparsity."""

import streamlit as st

from prunescope import engine
from prunescope.app.state import address

NAME = "tolerance"  # in the address


def tolerance_field(key: str = NAME) -> tuple[float, list[str]]:
    """The field: (points, notices about the address's value)."""
    linked, notices = address.number(NAME, engine.TOLERANCE, 0.0, 50.0)
    st.session_state.setdefault(key, linked)
    points = st.number_input(
        "Tolerance, points",
        0.0,
        50.0,
        step=0.5,
        format="%.1f",
        key=key,
        help="A sparsity is safe if accuracy and accuracy under attack stay within this many "
        "points of the dense model at every measured sparsity up to it.",
    )
    address.write(NAME, f"{points:g}", f"{engine.TOLERANCE:g}")
    return points, notices

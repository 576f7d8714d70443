"""Run what a button of the page asks of the store or the queue."""

from collections.abc import Callable

import streamlit as st

from prunescope.app.components.notices import show_error
from prunescope.engine import PruneScopeError


def run_action(action: Callable[[], object]) -> None:
    """Run an action and draw the page again, or show the action's error."""
    try:
        action()
    except PruneScopeError as error:
        show_error(error)
        return
    st.rerun()

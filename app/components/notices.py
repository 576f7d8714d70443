"""Errors of the engine, and notices at the head of a page, with settings as a page labels them."""

from collections.abc import Sequence

import streamlit as st

from prunescope.app.charts.text import plain
from prunescope.engine import labelled


def message(text: str) -> str:
    """The text of an error, a reason or a notice of the engine, with settings by their labels."""
    return plain(labelled(text))


def show_error(error: object) -> None:
    """An error of the engine, or the reason of a failed job."""
    st.error(message(str(error)))


def show_warning(text: str) -> None:
    """A warning of the engine."""
    st.warning(message(text))


def show_notices(warnings: Sequence[str], infos: Sequence[str] = ()) -> None:
    """Show each text once.

    Warnings are those of the engine; infos may hold Markdown that this project wrote.
    """
    for text in dict.fromkeys(warnings):
        show_warning(text)
    for text in dict.fromkeys(infos):
        st.info(text)

"""What the store and the address had to say, above everything else on a page."""

from collections.abc import Sequence

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain


def message(text: str) -> str:
    """The text of an error, a reason or a notice of the engine, with settings by their labels."""
    return plain(engine.labelled(text))


def show_notices(warnings: Sequence[str], infos: Sequence[str] = ()) -> None:
    """Each text once. Warnings are plain text; infos may hold Markdown that this project wrote."""
    for text in dict.fromkeys(warnings):
        st.warning(message(text))
    for text in dict.fromkeys(infos):
        st.info(text)

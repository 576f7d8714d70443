"""The head of every page: title and subtitle at the left, pickers at the right."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


@dataclass(frozen=True, slots=True)
class PageHeader:
    """A head that was drawn: pickers go into `controls`, one after the other from the left."""

    title: DeltaGenerator
    controls: list[DeltaGenerator]

    def subtitle(self, text: str) -> None:
        """One line under the title."""
        self.title.text(text)


def page_header(title: str, *widths: float, title_width: float = 3) -> PageHeader:
    """Draw the title; `widths` are those of the controls, in parts of the title's."""
    if not widths:
        st.title(title, anchor=False)
        return PageHeader(st.container(), [])
    left, *controls = st.columns([title_width, *widths], vertical_alignment="bottom")
    left.title(title, anchor=False)
    return PageHeader(left, controls)

"""The head of every page: title with its "?" and subtitle at the left, pickers at the right."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from prunescope.app.components.page_help import HELP
from prunescope.app.state import address


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
        left, controls = st.container(gap="xxsmall"), list[DeltaGenerator]()
    else:
        column, *controls = st.columns([title_width, *widths])  # its place stays as they grow
        left = column.container(gap="xxsmall")
    _title(left, title)
    return PageHeader(left, controls)


def _title(place: DeltaGenerator, title: str) -> None:
    row = place.container(key="title", horizontal=True, vertical_alignment="center", gap="small")
    row.title(title, anchor=False, width="content")
    if sentences := HELP.get(address.page()):
        with row.popover(
            "About this page", icon=":material/help:", type="tertiary", key="page-help"
        ):
            st.markdown("\n\n".join(sentences))

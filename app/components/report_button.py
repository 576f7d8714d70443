"""All shown studies as one page that works from a file."""

from collections.abc import Sequence

import streamlit as st

from prunescope import engine
from prunescope.app.charts.names import file_name
from prunescope.app.charts.report import studies_report
from prunescope.engine.reading.provenance import provenance


def report_button(studies: Sequence[engine.Study], points: float) -> None:
    """A download, built on demand; `points` is the tolerance of the safe sparsity."""
    count = len(studies)
    what = "the whole study" if count == 1 else f"these {count} studies"
    st.download_button(
        f"Report of {what} (HTML)",
        data=lambda: studies_report(studies, points),
        mime="text/html",
        file_name=file_name("prunescope-report", provenance(studies), "html"),
        on_click="ignore",
        key="report",
    )

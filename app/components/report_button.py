"""The whole study as one page that works from a file."""

import streamlit as st

from prunescope import engine
from prunescope.app.charts.report import study_report


def report_button(study: engine.Study, points: float) -> None:
    """A download, built on demand; `points` is the tolerance of the safe sparsity."""
    st.download_button(
        "Report of the whole study (HTML)",
        data=lambda: study_report(study, points),
        mime="text/html",
        file_name=f"prunescope-{study.key[:12]}.html",
        on_click="ignore",
        key="report",
    )

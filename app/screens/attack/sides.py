"""What a running and a finished attack draw alike, so that nothing jumps when it ends."""

from collections.abc import Mapping

import streamlit as st

from prunescope.app.charts import attack as charts
from prunescope.app.components.export_menu import chart
from prunescope.app.components.text_diff import side
from prunescope.app.state.resources import dark


def queries(count: int) -> str:
    """A number of queries in words."""
    return f"{count} {'query' if count == 1 else 'queries'}"


def side_text(index: int, title: str, text: str) -> None:
    """One victim's text, which is HTML from `marked`."""
    look = charts.LOOKS[index]
    st.html(side(title, look.sign, look.colour, text))


def paths_chart(paths: Mapping[str, charts.Path], label: str | None) -> None:
    """The paths of all victims; `label` is the true one, where it is known."""
    chart(
        charts.paths(paths, label, dark()),
        "paths",
        "Lowest confidence in the true label against queries, one line a model",
    )

"""The Pareto front of the compare page."""

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts import pareto
from prunescope.app.charts.compare import TITLES
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.notices import show_notices
from prunescope.app.state.resources import alternatives, dark
from prunescope.engine.reading.provenance import provenance

COLLAPSED = (
    " Crosses at the lower edge: collapsed models, hardly better than one answer to everything. "
    "Such an answer cannot be attacked, so they are in no front."
)


def front(studies: list[engine.Study]) -> None:
    """Chart and table of every measured level, with the front."""
    y, x = _axes()
    table = pareto.points(studies)
    if table[y].isna().all():
        st.text(f"None of these studies has {TITLES[y]}: they were run without an attack.")
        return
    tables, notices = alternatives() if x == "size" else ([], [])
    show_notices(notices)
    baselines = pareto.baselines(studies, tables)
    if len(baselines):
        table = pd.concat([table, baselines], ignore_index=True)
    best = pareto.front(table, y, x)
    chart(
        pareto.pareto(table, best, y, x, dark()),
        "pareto",
        f"{TITLES[y]} against {x} of every measured level, with the Pareto front",
    )
    about = {
        **provenance(studies),
        "front": f"{TITLES[y]} against {x}",
        "unit": "percent; size in MB",
    }
    export_bar("pareto", "prunescope-front", table.drop(columns=["index", "group"]), about)
    st.caption(
        "Large marks on the line: no other level is at least as good in both and better in one. "
        "The front joins only levels measured on the same examples, and under the same attack. "
        "Differences within the intervals are not significant."
        + (COLLAPSED if table["collapsed"].any() else "")
        + (" Named points are baselines, measured on the same examples." if len(baselines) else "")
    )
    _front_table(best, y, about, "models" if len(baselines) else "levels")


def _axes() -> tuple[str, str]:
    """(the rate on the vertical axis, what stands on the horizontal one)."""
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    left.header("Pareto front", anchor=False)
    with middle:
        y = st.segmented_control(
            "Robustness", list(TITLES), key="c-y", required=True, format_func=TITLES.__getitem__
        )
    with right:
        x = st.segmented_control("Against", list(pareto.AXES), key="c-x", required=True)
    return str(y), str(x)


def _front_table(best: pd.DataFrame, y: str, about: dict[str, object], kind: str) -> None:
    with st.expander(f"The {len(best)} {kind} of the front"):
        rates = [y, f"{y}_low", f"{y}_high"]
        table = best[["study", "sparsity", "size", *rates, f"{y}_n"]]
        form = st.column_config.NumberColumn(format="%.1f")
        st.dataframe(table, hide_index=True, column_config=dict.fromkeys(("size", *rates), form))
        table_bar("prunescope-front-levels", table, about)

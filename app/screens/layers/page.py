"""Layers: where the error is, and what a text meets on its way through the dense and the pruned
model.
"""

from functools import partial

import streamlit as st

from prunescope import engine
from prunescope.app.charts import inside
from prunescope.app.components import cards, instrument
from prunescope.app.components.empty_state import studies_or_stop
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.heat_map import heat_map, layers_figure
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.components.prune_ahead import prune_ahead
from prunescope.app.components.shared_slider import pick_sparsity
from prunescope.app.components.study_picker import open_studies, pick_study
from prunescope.app.screens.layers.text import follow_text
from prunescope.app.state.resources import dark, workbench
from prunescope.engine.reading import series
from prunescope.engine.reading.provenance import provenance


def main() -> None:
    """Draw the page."""
    view, stored = studies_or_stop()
    header = page_header("Layers", 2)
    with header.controls[0]:
        key, of_link = pick_study(stored)
    studies, of_study = open_studies([key])
    header.subtitle(engine.full_name(studies[0]) if studies else "Pick another study.")
    show_notices([*view.notices, *of_study], of_link)
    if studies:
        _answer(studies[0].key)
    workbench().warm()


@st.fragment
def _answer(key: str) -> None:
    studies, _ = open_studies([key])
    if not studies:  # it was removed while it was shown: the whole page says so
        st.rerun()
    study = studies[0]
    stops = series.stops([study])
    percent = pick_sparsity([study], stops)
    st.caption(instrument.STOPS_NOTE)
    _errors(study, stops, percent)
    own = series.own_sparsity(study)
    follow_text(study, percent / 100 if own is None else own)
    prune_ahead(study, stops, percent)


def _errors(study: engine.Study, stops: list[float], percent: float) -> None:
    left, right = st.columns([1, 1], gap="medium")
    with left:
        last = study.levels[-1].layer_errors
        worst = max(last, key=last.__getitem__)
        cell = heat_map(study, stops, percent, usual=worst) or worst
        export_bar(
            "layers",
            "prunescope-layers",
            series.layer_grid(study, percent / 100).rename_axis("block"),
            {**provenance([study]), "sparsity": percent / 100},
            partial(layers_figure, study, percent / 100),
        )
    with right:
        name, frame = series.cell_name(cell), series.cell_curve(study, cell)
        st.header(name, anchor=False)
        instrument.cursor(stops, percent, {"cell": cards.cell_marks(study, cell, stops)})
        chart(inside.cell_chart(frame, name, dark()), "cell", f"Error of {name} against sparsity")
        export_bar(
            "cell",
            f"prunescope-layer-{cell.replace('.', '-')}",
            frame,
            {**provenance([study]), "layer": cell},
        )
        _diagnostics(study, cell, percent / 100)


def _diagnostics(study: engine.Study, cell: str, sparsity: float) -> None:
    """What the pruner wrote down about the layer at every measured level."""
    table = series.cell_table(study, cell)
    if table.empty:
        return
    with st.expander(
        "What the pruner did to this layer, level by level",
        expanded=study.level(sparsity) is not None,
    ):
        form = {
            name: st.column_config.NumberColumn(format="%.3g")
            for name in table.columns
            if name != "damping raised"
        }
        st.dataframe(table, hide_index=True, height=215, column_config=form)
        table_bar(
            f"prunescope-pruner-{cell.replace('.', '-')}",
            table,
            {**provenance([study]), "layer": cell},
        )


main()

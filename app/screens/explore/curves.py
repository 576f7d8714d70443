"""All measures of the explore page: cards, curves, heat map, and the numbers behind them."""

from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from prunescope import engine
from prunescope.app.charts import curves
from prunescope.app.charts.text import plain
from prunescope.app.components import cards, instrument
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.heat_map import heat_map, layers_figure
from prunescope.app.state import address
from prunescope.app.state.resources import Signature, dark
from prunescope.engine.reading import series
from prunescope.engine.reading.provenance import provenance

Versions = tuple[tuple[str, Signature], ...]  # the studies' keys, and what changes when they do
Studies = list[engine.Study]


@st.cache_resource(max_entries=16, show_spinner=False)
def card_texts(versions: Versions, stops: list[float], _studies: Studies) -> dict[str, Any]:
    """The texts of the cards at every stop."""
    return cards.cards(_studies, stops)


@st.cache_resource(max_entries=16, show_spinner=False)
def figure(
    versions: Versions, names: tuple[str, ...], in_dark: bool, _studies: Studies
) -> go.Figure:
    """The curves, cached: building them is the slowest part of a move of the slider."""
    titles = engine.short_names(_studies)
    frames = [(title, series.curves(study)) for title, study in zip(titles, _studies, strict=True)]
    return curves.curves(frames, names, in_dark)


def all_measures(studies: Studies, versions: Versions, stops: list[float], percent: float) -> None:
    """The cards, and below them the curves of the measures that are picked."""
    names = visible_curves(studies)
    instrument.cards(card_texts(versions, stops, studies), percent)
    chart(
        figure(versions, tuple(names), dark(), studies),
        "curves",
        "Accuracy, accuracy under attack, attack success, errors and size against sparsity",
    )
    instrument.cursor(
        stops, percent, {"curves": cards.marks(studies, stops, names)}, key="cursor-curves"
    )
    _curve_picker(studies, names)
    export_bar(
        "curves",
        "prunescope-curves",
        series.together(studies),
        {**provenance(studies), "unit": "percent, errors relative"},
    )


def layers(study: engine.Study, stops: list[float], percent: float) -> None:
    """The heat map of the first study, with the way to more about layers."""
    cell = heat_map(study, stops, percent)
    about = f"{series.cell_name(cell)} over sparsity, and more" if cell else "More about the layers"
    st.page_link("screens/layers/page.py", label=plain(about), icon=":material/arrow_forward:")
    export_bar(
        "layers",
        "prunescope-layers",
        series.layer_grid(study, percent / 100).rename_axis("block"),
        {
            **provenance([study]),
            "sparsity": percent / 100,
            "measured": study.level(percent / 100) is not None,
        },
        partial(layers_figure, study, percent / 100),
    )


def _offered(studies: Studies) -> list[str]:
    """The curves to choose from, with times only if a level was timed on this machine."""
    timed = any(series.latencies(study) for study in studies)
    return [name for name in curves.LOOKS if timed or name != "latency"]


def visible_curves(studies: Studies) -> list[str]:
    """The curves of the chart, by the address."""
    offered = _offered(studies)
    linked = [name for name in address.read("curves").split(",") if name]
    names = [name for name in linked if name in offered]
    if len(names) < len(linked):
        unknown = [name for name in linked if name not in curves.LOOKS]
        lacking = [name for name in linked if name not in offered]
        st.info(
            f"The link names the curve {address.quoted(unknown[0])}, which does not exist."
            if unknown
            else f"The link names the curve {address.quoted(lacking[0])}, of which nothing was "
            "measured here."
        )
        address.write("curves", ",".join(names))
    return names or list(usual_curves(studies))


def usual_curves(studies: Studies) -> tuple[str, ...]:
    """The curves that are shown unasked: all of one study; of several, those that the two panels of
    the first screen do not show.
    """
    several = ("asr", "cls_error")
    return tuple(name for name in _offered(studies) if len(studies) == 1 or name in several)


def _curve_picker(studies: Studies, names: list[str]) -> None:
    key = f"curves-of-{len(studies) > 1}"
    if st.session_state.get(key) != names:
        st.session_state[key] = names

    def title(name: str) -> str:
        look = curves.LOOKS[name]
        return look.title + " error" * (look.kind == "error")

    def write() -> None:
        address.write("curves", ",".join(st.session_state[key]))

    st.pills(
        "Curves",
        _offered(studies),
        selection_mode="multi",
        key=key,
        format_func=title,
        label_visibility="collapsed",
        on_change=write,
        wrap=True,
    )


def numbers(studies: Studies) -> None:
    """The table of all measured levels."""
    frame = series.together(studies)
    columns = {
        name: st.column_config.NumberColumn(format=_digits(name))
        for name in frame
        if name not in ("study", "key", "collapsed")
    }
    st.dataframe(frame, hide_index=True, column_config=columns)
    about = provenance(studies)
    if machines := about.get("measured with"):
        st.caption(
            plain(
                f"Measured with {machines}. Other processors and numbers of threads may give "
                "slightly different numbers."
            )
        )
    table_bar("prunescope-levels", frame, about)


def _digits(name: str) -> str:
    """The format of a column: counts whole, errors with three significant digits."""
    return "%d" if name.endswith(("_n", "_bytes")) else "%.3g" if "error" in name else "%.2f"

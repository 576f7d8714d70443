"""The first screen: the slider, the sentence that follows it, two panels, and three doors."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from prunescope import engine
from prunescope.app.charts import palette
from prunescope.app.charts.panels import Panel, SafeLimit, panel
from prunescope.app.components import cards, instrument
from prunescope.app.state.resources import Signature, dark
from prunescope.engine.reading import series
from prunescope.engine.reading.sentence import comparison

Versions = tuple[tuple[str, Signature], ...]  # the studies' keys, and what changes when they do
Studies = list[engine.Study]
DOORS = (  # page, icon, label, what happens there
    (
        "attack",
        ":material/bolt:",
        "Watch a sentence break",
        "Attack one sentence on the dense and the pruned model, side by side, word by word.",
    ),
    (
        "check",
        ":material/upload_file:",
        "Check my model",
        "Bring a classifier and some labelled texts. Find out how sparse it may get.",
    ),
    (
        "figure",
        ":material/bar_chart:",
        "Make a figure",
        "These curves as PDF, SVG or PNG at a paper’s width, and the table as LaTeX.",
    ),
)


@st.cache_resource(max_entries=16, show_spinner=False)
def sentences(
    versions: Versions, stops: tuple[float, ...], _studies: Studies
) -> list[list[tuple[Any, ...]]]:
    """The sentence at every stop, as its clauses."""
    return [
        [(clause.text, clause.study, clause.name) for clause in comparison(_studies, stop / 100)]
        for stop in stops
    ]


def sentence(studies: Studies, versions: Versions, stops: list[float], percent: float) -> None:
    """What every study keeps at the slider's sparsity."""
    looks = [{"colour": look[0], "symbol": look[2]} for look in palette.STUDIES]
    data = {
        "stops": stops,
        "looks": looks[: len(studies)],
        "sentences": sentences(versions, tuple(stops), studies),
    }
    instrument.sentence(data, percent)


@st.cache_resource(max_entries=32, show_spinner=False)
def panel_figure(
    versions: Versions, shown: Panel, limit: SafeLimit | None, in_dark: bool, _studies: Studies
) -> go.Figure:
    """One panel, cached: building it is slow."""
    titles = engine.short_names(_studies)
    frames = [(title, series.curves(study)) for title, study in zip(titles, _studies, strict=True)]
    return panel(frames, shown, limit, in_dark)


def panels(
    studies: Studies, versions: Versions, limit: SafeLimit | None, stops: list[float], at: float
) -> None:
    """Accuracy at the left, accuracy under attack at the right, with the cursor over both."""
    shown = shown_panels(studies)
    with st.container(key="panels"):
        for column, one in zip(st.columns(len(shown), gap="medium"), shown, strict=True):
            with column, st.container(key=f"panel-{one.measure}-box"):
                st.plotly_chart(
                    panel_figure(versions, one, limit, dark(), studies),
                    key=f"panel-{one.measure}",
                    height="stretch",
                    config={"displayModeBar": False},
                    theme=None,
                    alt=f"{one.subtitle} against sparsity",
                )
    instrument.cursor(
        stops,
        at,
        {f"panel-{one.measure}": cards.panel_marks(studies, stops, one.measure) for one in shown},
    )


def shown_panels(studies: Studies) -> list[Panel]:
    """The panels of these studies; the second only where something was attacked."""
    texts = _texts(studies, "evaluation", "the evaluation texts")
    classes = {max(2, len(study.about["label_names"])) for study in studies}
    chance = 100 / classes.pop() if len(classes) == 1 else None
    acc = Panel("acc", f"share of {texts} classified correctly", chance)
    if all(study.level(0.0) is None or not study.about["counts"]["attacked"] for study in studies):
        return [acc]
    attacks = {study.about["attack"] for study in studies if study.about["counts"]["attacked"]}
    attack = engine.attack_title(attacks.pop()) if len(attacks) == 1 else "the study’s attack"
    attacked = _texts(
        [study for study in studies if study.about["counts"]["attacked"]],
        "attacked",
        "the attacked texts",
    )
    return [acc, Panel("aua", f"share of {attacked} still classified correctly after {attack}")]


def _texts(studies: Studies, count: str, otherwise: str) -> str:
    """How many texts of the same data all studies have, as in "872 texts"."""
    kinds = {(study.about["data"], study.about["counts"][count]) for study in studies}
    return engine.pluralize(kinds.pop()[1], "text") if len(kinds) == 1 else otherwise


def doors(studies: Studies, at: float) -> None:
    """Three ways on, with the studies and the sparsity that are shown."""
    selection = {"study": ",".join(study.key[:12] for study in studies), "sparsity": f"{at:g}"}
    with st.container(key="doors"):
        for column, (page, icon, label, text) in zip(st.columns(len(DOORS)), DOORS, strict=True):
            with column, st.container(border=True, key=f"door-{page}"):
                st.page_link(
                    f"screens/{page}/page.py", label=label, icon=icon, query_params=selection
                )
                st.caption(text)

"""The figure with its options: a preview that is the file itself, and the file in three formats."""

from typing import TYPE_CHECKING

import streamlit as st

from prunescope import engine
from prunescope.app.charts.paper_figure import paper_figure
from prunescope.app.charts.text import plain
from prunescope.app.components.export_menu import download
from prunescope.app.components.export_menu.formats import FORMATS, Source, file_of
from prunescope.app.state import address
from prunescope.app.state.resources import signature
from prunescope.engine.reading import series
from prunescope.engine.reading.papers import figure_caption, literature_names
from prunescope.engine.reading.provenance import provenance

if TYPE_CHECKING:
    from prunescope.app.charts.paper import Style

Studies = list[engine.Study]
SIZES = {  # title, panels beside one another
    "single": ("Single column, 3.3 in", 1),
    "double": ("Double column, 6.9 in", 2),
    "slide": ("Slide, 16:9", 3),
}
LEGENDS = {"top": "above", "right": "at the right", "bottom": "below", "none": "none"}
NAME = "prunescope-figure"


def drawing(studies: Studies, names: list[str]) -> None:
    """Options at the left, the figure at the right."""
    left, right = st.columns([1, 2.4], gap="large")
    with left:
        size, style = _options()
    words = " ".join(figure_caption(studies, names, style.band))
    source = _source(studies, names, style.title, SIZES[size][1], words)
    with right:
        versions = tuple((study.key, signature(study.key)) for study in studies)
        picture = _picture((versions, tuple(names), size), style, source)
        st.image(picture, width=430 if size == "single" else "stretch")
        st.caption(plain(words))
    left.caption("Download the figure")
    with left, st.container(horizontal=True, gap="small"):
        for kind in ("pdf", "svg", "png"):
            download(FORMATS[kind], f"figure-{kind}", NAME, source, style)


def _options() -> "tuple[str, Style]":
    from prunescope.app.charts.paper import PRESETS, Style

    size = address.choose(
        st.selectbox, "Size", "size", list(SIZES), "double", format_func=lambda key: SIZES[key][0]
    )
    legend = address.choose(
        st.selectbox, "Legend", "legend", list(LEGENDS), "top", format_func=LEGENDS.__getitem__
    )
    title = st.text_input("Title", key="figure-title", placeholder="None", max_chars=90)
    band = st.toggle("Intervals", True, key="figure-band")
    mono = st.toggle("Black and white", key="figure-mono")
    serif = st.toggle("Serif typeface", key="figure-serif")
    return size, Style(PRESETS[size], title.strip(), legend, band, mono, serif)


def _source(studies: Studies, names: list[str], title: str, columns: int, words: str) -> Source:
    frames = [
        (name, series.curves(study))
        for name, study in zip(literature_names(studies), studies, strict=True)
    ]
    about = {**provenance(studies), "caption": words}
    return Source(
        series.together(studies),
        about,
        title or "Robustness against sparsity",
        lambda: paper_figure(frames, names, columns),
    )


@st.cache_data(max_entries=24, show_spinner="Drawing the figure…")
def _picture(what: "tuple[object, ...]", style: "Style", _source: Source) -> bytes:
    return file_of("png", _source, style)

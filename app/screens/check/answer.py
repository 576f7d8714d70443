"""The answer: how sparse the model may get, how sure that is, and what to do next."""

from pathlib import Path

import streamlit as st

from prunescope import engine
from prunescope.app.charts import curves
from prunescope.app.charts.text import plain
from prunescope.app.components.export_menu import chart, export_bar
from prunescope.app.components.take_model import download_model, speed
from prunescope.app.screens.check.link import FORM, VIEW, view_of_study
from prunescope.app.state import address
from prunescope.app.state.limits import closed, public
from prunescope.app.state.resources import dark, safe_sparsity, signature
from prunescope.engine.reading import series
from prunescope.engine.reading.narrowing import next_steps
from prunescope.engine.reading.provenance import provenance
from prunescope.engine.reading.verdicts import level_sentence, safe_explanation, safe_headline

FIGURE = Path(__file__).parents[1] / "figure" / "page.py"
CHOSEN = "answer-level"


def show_answer(study: engine.Study, points: float) -> None:
    """What a study says to do; it has at least one level. `points` is the tolerance."""
    safe = safe_sparsity(study.key, signature(study.key), points)
    if safe is None:
        missing = "No pruned" if study.level(0.0) else "The dense"
        verb = "is measured yet" if study.level(0.0) else "is not measured yet"
        st.info(f"{missing} model {verb}, so there is nothing to compare.")
    else:
        _verdict(study, safe)
    sparse = [level.sparsity for level in study.levels if level.sparsity]
    _curves(study)
    sparsity = _take_home(study, sparse, safe) if sparse else 0.0
    _links(study, sparsity)


def _verdict(study: engine.Study, safe: engine.SafeSparsity) -> None:
    """The answer in one line, what it means, and what would make it surer."""
    with st.container(border=True, key="verdict"):
        st.header(safe_headline(safe), anchor=False)
        st.text(_meaning(safe))
        for sentence in next_steps(study, safe):
            st.markdown(f":material/arrow_forward: {plain(sentence)}")
        for doubt in engine.doubts(study, safe.points):
            st.markdown(f":material/warning: {plain(doubt)}")


def _meaning(safe: engine.SafeSparsity) -> str:
    """What the headline means, of the best guess where that is not certain."""
    text = safe_explanation(safe)
    if safe.sure < safe.sparsity:
        return f"In these examples, {text} up to {100 * safe.sparsity:g}%."
    return f"{text[:1].upper()}{text[1:]}."


def _curves(study: engine.Study) -> None:
    names = [name for name in ("acc", "aua") if getattr(study.levels[0], name) is not None]
    frame = series.curves(study)
    figure = curves.curves([(engine.short_names([study])[0], frame)], names, dark())
    chart(figure, "answer", "Accuracy and accuracy under attack against sparsity")
    export_bar("answer", f"prunescope-answer-{study.key[:12]}", frame, provenance([study]))


def _take_home(study: engine.Study, sparse: list[float], safe: engine.SafeSparsity | None) -> float:
    """One measured level: what it keeps, its size, its speed, the model itself; which level."""
    st.header("Take the model", anchor=False)
    advised = safe.sure or safe.sparsity if safe is not None else 0.0
    if st.session_state.get(CHOSEN) not in sparse:
        st.session_state[CHOSEN] = advised if advised in sparse else sparse[0]
    picker, sentence = st.columns([1, 3], vertical_alignment="bottom")
    sparsity = float(
        picker.selectbox(
            "Sparsity", sparse, key=CHOSEN, format_func=lambda level: _option(level, safe)
        )
    )
    level = study.level(sparsity)
    assert level is not None
    sentence.markdown(plain(level_sentence(study, sparsity)))
    left, middle, right = st.columns(3, gap="medium")
    with left:
        dense = 4 * study.about["parameters"]
        st.markdown(
            f"**Size on disk, packed:** {engine.format_bytes(series.model_bytes(study, level))} in "
            f"place of {engine.format_bytes(dense)}, {100 * level.achieved_model:.0f}% of all "
            "weights zero."
        )
    closed_here = public()
    with middle:
        speed(study, sparsity)
    with right:
        if not closed_here:
            download_model(study, sparsity)
    if closed_here:
        closed("timing and exporting a model are")
    return sparsity


def _option(level: float, safe: engine.SafeSparsity | None) -> str:
    name = f"{100 * level:g}%"
    if safe is None:
        return name
    if level <= safe.sure:
        return f"{name} · safe"
    if level <= safe.sparsity:
        return f"{name} · best guess"
    return f"{name} · possibly safe" if level <= safe.possible else f"{name} · not safe"


def _links(study: engine.Study, sparsity: float) -> None:
    """Where to go from here."""
    query = {"study": study.key[:12], "sparsity": f"{100 * sparsity:g}"}
    with st.container(horizontal=True, key="answer-links"):
        if st.button("Open in Explore", key="answer-explore"):
            st.switch_page("screens/explore/page.py", query_params=query)
        if FIGURE.is_file() and st.button("Make a figure", key="answer-figure"):
            st.switch_page("screens/figure/page.py", query_params=query)
        if not public() and st.button("Run again with changes", key="again"):
            address.follow({**view_of_study(study), VIEW: FORM})
            st.rerun()
        if not public() and st.button("Check another model", key="another"):
            address.follow({VIEW: FORM})
            st.rerun()

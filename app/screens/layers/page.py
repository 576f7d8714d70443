"""Layers: where the error is, and what a text meets on its way through the dense and the pruned
model.
"""

from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.charts import inside
from prunescope.app.charts.palette import STUDIES
from prunescope.app.components import cards, instrument, job_progress
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.parts import (
    STOPS_NOTE,
    heat_map,
    notices_of,
    opened,
    pick_study,
    provenance,
)
from prunescope.app.components.text import plain
from prunescope.app.screens.explore.live import FIRST
from prunescope.app.state import address
from prunescope.app.state.limits import most_characters
from prunescope.app.state.resources import dark, reviews, store, workbench
from prunescope.engine.reading import series


def main() -> None:
    there = store()
    studies = there.studies()
    if not studies:
        st.header("No study yet")
        st.text("Run one with: python -m engine demo")
        notices_of(there.notices)
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with right:
        key, notices = pick_study(studies, len(STUDIES))
    shown, more = opened([key])
    with left:
        st.title("Inside the layers", anchor=False)
        st.text(engine.full_name(shown[0]) if shown else "Pick another study.")
    notices_of([*there.notices, *more], notices)
    if shown:
        _answer(shown[0].key)
    workbench().warm()


@st.fragment
def _answer(key: str) -> None:
    shown, _ = opened([key])
    if not shown:  # it was removed while it was shown: the whole page says so
        st.rerun()
    study = shown[0]
    stops = series.stops([study])
    start, told = address.number("sparsity", address.FIRST, 0.0, stops[-1])
    notices_of([], told)
    start = min(stops, key=lambda stop: abs(stop - start))
    with st.container(key="dock"):
        percent = instrument.slider(
            stops, start, [round(100 * level.sparsity, 4) for level in study.levels], None
        )
    address.write("sparsity", f"{percent:g}")
    st.caption(f"Ticks are measured levels; {STOPS_NOTE}")
    _errors(study, stops, percent)
    own = series.own_sparsity(study)
    _look(study, percent / 100 if own is None else own)


def _errors(study: engine.Study, stops: list[float], percent: float) -> None:
    left, right = st.columns([1, 1], gap="medium")
    with left:
        cell = heat_map(study, stops, percent)
        export_bar(
            "layers",
            f"prunescope-layers-{percent:g}",
            series.layer_grid(study, percent / 100).rename_axis("block"),
            {**provenance([study]), "sparsity": percent / 100},
        )
    with right:
        if cell is None:
            cell = max(study.levels[-1].layer_errors, key=study.levels[-1].layer_errors.__getitem__)
        name, frame = series.cell_name(cell), series.cell_curve(study, cell)
        st.header(name, anchor=False)
        instrument.cards(
            {"stops": stops, "cards": [], "studies": []},
            percent,
            "cell",
            cards.cell_marks(study, cell, stops),
        )
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


def _look(study: engine.Study, sparsity: float) -> None:
    st.header("Follow a text through both models", anchor=False)
    _take_attack(study)
    st.session_state.setdefault("look-text", FIRST)
    if study.about["label_names"] == [
        "negative",
        "positive",
    ]:  # the reviews say nothing to a model of other classes
        texts = reviews()[0]
        st.selectbox(
            "Start from a review of the evaluation set, or type your own below",
            [None, *range(len(texts))],
            key="look-pick",
            format_func=lambda row: "–" if row is None else texts[row][:110],
            on_change=_take_review,
        )
    left, right = st.columns(2)
    text = left.text_area("Text", key="look-text", max_chars=most_characters(), height=90)
    other = right.text_area(
        "Adversarial text, if you have one",
        key="look-adversarial",
        max_chars=most_characters(),
        height=90,
    )
    with st.container(horizontal=True):
        if st.button(f"Look inside at {100 * sparsity:g} %", type="primary", key="look"):
            job_progress.begin(
                "looking",
                workbench(),
                "look",
                study=study.key,
                sparsity=sparsity,
                text=text,
                adversarial=other.strip() or None,
            )
        if st.button(
            "Find an adversarial text",
            key="look-attack",
            help="Attacks the text on the pruned model with the study's attack.",
        ):
            job_progress.begin(
                "look-attacking",
                workbench(),
                "attack",
                study=study.key,
                sparsity=sparsity,
                text=text,
                label=None,
            )
    job_progress.progress(
        "look-attacking", job_progress.of_study("look-attacking", study), workbench()
    )
    job_progress.progress("looking", job_progress.of_study("looking", study), workbench())
    job = job_progress.of_study("looking", study)
    if job is not None and job.state == "done":
        _result(study, job.result)


def _take_review() -> None:
    row = st.session_state["look-pick"]
    if row is not None:
        st.session_state["look-text"], st.session_state["look-adversarial"] = reviews()[0][row], ""


def _take_attack(study: engine.Study) -> None:
    """Once an attack is done its text goes into the field; what did not break says so."""
    job = job_progress.of_study("look-attacking", study)
    if job is None or job.state != "done":
        return
    side = next(side for side in job.result["sides"] if side["name"] != "dense")
    if st.session_state.get("look-taken") != job.number:
        st.session_state["look-taken"] = job.number
        if side["outcome"] == "broken":
            st.session_state["look-adversarial"] = side["perturbed"]
    if side["outcome"] != "broken":
        st.info(
            "The attack did not break the pruned model on this text, so there is no adversarial "
            "form of it."
        )


def _result(study: engine.Study, look: dict[str, Any]) -> None:
    if look["notice"]:
        st.info(plain(look["notice"]))
    about = {**provenance([study]), "sparsity": look["sparsity"], **look["texts"]}
    st.text(_answers(look))
    left, right = st.columns(2, gap="medium")
    with left:
        _distances(look, about)
    with right:
        st.header("[CLS] through the layers", anchor=False)
        st.caption("The two principal axes of all [CLS] embeddings shown; numbers are blocks.")
        chart(
            inside.map_chart(look, dark()),
            "look-map",
            "Two-dimensional map of the [CLS] embedding through the layers, dense and pruned",
        )
        export_bar("look-map", "prunescope-map", inside.map_table(look), about)
    _attention(look, about)


def _answers(look: dict[str, Any]) -> str:
    told = []
    for part in look["probabilities"]:
        best = max(range(len(part["values"])), key=part["values"].__getitem__)
        told.append(
            f"{part['side']}, {part['text']} text: {look['label_names'][best]} "
            f"{100 * part['values'][best]:.1f} %"
        )
    return "\n".join(told)


def _distances(look: dict[str, Any], about: dict[str, object]) -> None:
    st.header("Distance to dense, block by block", anchor=False)
    measure = st.segmented_control(
        "Measure",
        list(inside.MEASURES),
        key="measure",
        default="euclidean",
        required=True,
        format_func={"euclidean": "Euclidean", "cosine": "1 − cosine"}.__getitem__,
        label_visibility="collapsed",
    )
    chart(
        inside.distances_chart(look, measure, dark()),
        "look-distances",
        "Distance of the [CLS] embedding after every block",
    )
    table = inside.distances_table(look)
    export_bar("look-distances", "prunescope-distances", table, about)
    with st.expander("The distances as a table"):
        wide = (
            table.pivot(index="layer", columns="compared", values=measure)
            .loc[inside.layer_names(look)]
            .reset_index()
        )
        st.dataframe(
            wide,
            hide_index=True,
            column_config={
                name: st.column_config.NumberColumn(format="%.4f") for name in wide.columns[1:]
            },
        )
        table_bar("prunescope-distances-by-layer", wide, {**about, "measure": measure})


def _attention(look: dict[str, Any], about: dict[str, object]) -> None:
    st.header("Attention, dense and pruned", anchor=False)
    heads = look["attention"][0]["shape"][1]
    with st.container(horizontal=True):
        text = st.segmented_control(
            "Text read", list(look["texts"]), key="attention-text", default="clean", required=True
        )
        block = st.selectbox(
            "Block",
            range(look["blocks"]),
            index=look["blocks"] - 1,
            key="attention-block",
            width=120,
            format_func=lambda place: str(place + 1),
        )
        head = st.selectbox(
            "Head",
            [None, *range(heads)],
            key="attention-head",
            width=160,
            format_func=lambda place: "mean of all" if place is None else str(place + 1),
        )
    tables = {
        side: inside.attention_table(look, side, text, block, head) for side in ("dense", "pruned")
    }
    highest = max(float(table.to_numpy().max()) for table in tables.values())
    for column, (side, table) in zip(st.columns(2, gap="medium"), tables.items(), strict=True):
        with column:
            st.text(side.capitalize())
            chart(
                inside.attention_chart(table, highest, dark()),
                f"attention-{side}",
                f"Attention of the {side} model, from every token to every token",
            )
            export_bar(
                f"attention-{side}",
                f"prunescope-attention-{side}",
                table,
                {
                    **about,
                    "block": block + 1,
                    "head": "mean" if head is None else head + 1,
                    "read": text,
                },
            )
    if cut := inside.attention_of(look, "dense", text)[2]:
        st.caption(f"The first {len(tables['dense'])} tokens are shown, {cut} more are left out.")


main()

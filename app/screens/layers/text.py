"""A text on its way through the dense and the pruned model: distances, map and attention."""

from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.charts import inside
from prunescope.app.components import job_progress
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.notices import message
from prunescope.app.state import defaults
from prunescope.app.state.limits import most_characters
from prunescope.app.state.resources import dark, look_runs, reviews, workbench
from prunescope.engine.reading.provenance import provenance

SENTIMENT = ["negative", "positive"]
MEASURES = {"euclidean": "Euclidean", "cosine": "1 − cosine"}


def follow_text(study: engine.Study, sparsity: float) -> None:
    """The section: a text and perhaps its adversarial form, two buttons, and what came of them."""
    st.header("Follow a text through both models", anchor=False)
    _take_attack(study)
    _fields(study)
    with st.container(horizontal=True):
        _look_button(study, sparsity)
        _attack_button(study, sparsity)
    attacking = job_progress.of_study("look-attacking", study)
    job_progress.progress("look-attacking", attacking, workbench())
    if (run := job_progress.look_of_study(study)) is not None:
        _look(study, run)


def _look(study: engine.Study, run: engine.LookRun) -> None:
    """A look that is under way or over: how far it is, and what was seen so far."""
    stands_in = run.stands_in

    def head(run: engine.LookRun) -> None:
        if run.stands_in != stands_in:  # there is something to see meanwhile
            st.rerun()
        percent = f"{100 * run.arguments['sparsity']:g}%"
        job_progress.bar(run, f"Pruning {percent}: " if run.pruning else "")

    if run.active:
        job_progress.watch("looking", run, look_runs(), 0.4, head)
    else:
        job_progress.show_end(run)
    if run.result is not None:
        st.text(_who(run))
        _result(study, run.result)


def _who(run: engine.LookRun) -> str:
    """Which model was looked into."""
    assert run.result is not None
    sparsity, requested = (f"{100 * each['sparsity']:g}%" for each in (run.result, run.arguments))
    rest = ""
    if run.stands_in:
        ending = "is being pruned" if run.active else "was not pruned"
        rest = f"{', while' if run.active else ';'} {requested} {ending}"
    return f"The pruned model is the one at {sparsity}{rest}."


def _fields(study: engine.Study) -> None:
    st.session_state.setdefault("look-text", defaults.SENTENCE)
    if study.about["label_names"] == SENTIMENT:  # reviews mean nothing to a model of other classes
        texts = reviews()[0]
        st.selectbox(
            "Start from a review of the evaluation set, or type your own below",
            [None, *range(len(texts))],
            key="look-pick",
            format_func=lambda row: "–" if row is None else texts[row][:110],
            on_change=_take_review,
        )
    left, right = st.columns(2)
    most = most_characters()
    left.text_area("Text", key="look-text", max_chars=most, height=90)
    right.text_area(
        "Adversarial text, if you have one", key="look-adversarial", max_chars=most, height=90
    )


def _look_button(study: engine.Study, sparsity: float) -> None:
    state = st.session_state
    if st.button(f"Look inside at {100 * sparsity:g}%", type="primary", key="look"):
        job_progress.begin(
            "looking",
            look_runs(),
            "look",
            study=study.key,
            sparsity=sparsity,
            text=state["look-text"],
            adversarial=state["look-adversarial"].strip() or None,
        )


def _attack_button(study: engine.Study, sparsity: float) -> None:
    if st.button(
        "Find an adversarial text",
        key="look-attack",
        help="Attacks the text on the pruned model with the study's attack.",
    ):
        job_progress.begin(
            "look-attacking",
            workbench(),
            "attack",
            **_request(study, sparsity),
            text=st.session_state["look-text"],
            label=None,
            prune=True,
        )


def _request(study: engine.Study, sparsity: float) -> dict[str, Any]:
    """The study's attack on its dense and its pruned model, as the worker's request names it."""
    attack = study.about["attack"]
    return {
        "study": study.key,
        "victims": [
            {"name": "dense", "study": study.key, "sparsity": 0.0},
            {"name": "pruned", "study": study.key, "sparsity": sparsity},
        ],
        "attack": "deepwordbug" if attack == "none" else attack,
        "seed": study.about["spec"].get("seed", 0),
    }


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
            "The pruned model withstood the attack on this text, so there is no adversarial form "
            "of it."
        )


def _result(study: engine.Study, look: dict[str, Any]) -> None:
    if look["notice"]:
        st.info(message(look["notice"]))
    about = {**provenance([study]), "sparsity": look["sparsity"], **look["texts"]}
    st.text(_answers(look))
    left, right = st.columns(2, gap="medium")
    with left:
        _distances(look, about)
    with right:
        read = inside.name_of_read(look)
        st.header(f"{read[0].upper()}{read[1:]} through the layers", anchor=False)
        st.caption("The two principal axes of all embeddings shown; numbers are blocks.")
        chart(
            inside.map_chart(look, dark()),
            "look-map",
            f"Two-dimensional map of {read} through the layers, dense and pruned",
        )
        export_bar("look-map", "prunescope-map", inside.map_table(look), about)
    _attention(look, about)


def _answers(look: dict[str, Any]) -> str:
    lines = []
    for part in look["probabilities"]:
        best = max(range(len(part["values"])), key=part["values"].__getitem__)
        lines.append(
            f"{part['side']}, {part['text']} text: {look['label_names'][best]} "
            f"{100 * part['values'][best]:.1f}%"
        )
    return "\n".join(lines)


def _distances(look: dict[str, Any], about: dict[str, object]) -> None:
    st.header("Distance to dense, block by block", anchor=False)
    measure = st.segmented_control(
        "Measure",
        list(inside.MEASURES),
        key="measure",
        default="euclidean",
        required=True,
        format_func=MEASURES.__getitem__,
        label_visibility="collapsed",
    )
    chart(
        inside.distances_chart(look, measure, dark()),
        "look-distances",
        f"Distance of {inside.name_of_read(look)} after every block",
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
    if not look["attention"][0]["shape"][0]:
        st.caption("This architecture does not give its attention weights, so none are shown.")
        return
    text, block, head = _attention_pickers(look)
    tables = {
        side: inside.attention_table(look, side, text, block, head) for side in ("dense", "pruned")
    }
    highest = max(float(table.to_numpy().max()) for table in tables.values())
    about = {
        **about,
        "block": block + 1,
        "head": "mean" if head is None else head + 1,
        "read": text,
    }
    for column, (side, table) in zip(st.columns(2, gap="medium"), tables.items(), strict=True):
        with column:
            st.text(side.capitalize())
            chart(
                inside.attention_chart(table, highest, dark()),
                f"attention-{side}",
                f"Attention of the {side} model, from every token to every token",
            )
            export_bar(f"attention-{side}", f"prunescope-attention-{side}", table, about)
    if cut := inside.attention_of(look, "dense", text)[2]:
        st.caption(f"The first {len(tables['dense'])} tokens are shown, {cut} more are left out.")


def _attention_pickers(look: dict[str, Any]) -> tuple[str, int, int | None]:
    """(the text that is read, the block, the head or None for the mean of all)."""
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
            format_func=lambda index: str(index + 1),
        )
        head = st.selectbox(
            "Head",
            [None, *range(heads)],
            key="attention-head",
            width=160,
            format_func=lambda index: "mean of all" if index is None else str(index + 1),
        )
    return str(text), block, head

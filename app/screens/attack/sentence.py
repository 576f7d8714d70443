"""The sentence of the attack page: typed, or picked from the evaluation set; and its true label."""

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.screens.attack.defaults import AUTOMATIC
from prunescope.app.state.limits import most_characters
from prunescope.app.state.resources import evaluation_texts, read_study, signature
from prunescope.engine.reading import flips, levels


def sentence(study: engine.Study) -> str:
    """The field; the text."""
    text = st.text_area(
        "Sentence",
        key="a-text",
        height=96,
        on_change=_typed,
        args=(study,),
        help=f"Up to {most_characters():,} characters; of a longer text the beginning is kept.",
    )
    st.session_state["a-before"] = text
    return text


def true_label(study: engine.Study) -> int | None:
    """The picker of the label; None for what the dense model says."""
    names = study.about["label_names"]
    label: int = st.selectbox(
        "True label",
        [AUTOMATIC, *range(len(names))],
        key="a-truth",
        format_func=lambda label: "automatic" if label == AUTOMATIC else names[label],
        help="Automatic: the label of the text that was picked; for a text that was typed, what "
        "the dense model says.",
    )
    if label != AUTOMATIC:
        return label
    row, (examples, _) = st.session_state.get("a-row"), evaluation_texts(study.key)
    return examples.labels[row] if row is not None and examples is not None else None


def _typed(study: engine.Study) -> None:
    state, most = st.session_state, most_characters()
    if (length := len(state["a-text"])) > most:
        state["a-text"] = state["a-text"][:most]
        state["a-said"] = f"The text has {length:,} characters; the first {most:,} are kept."
    if (state.get("a-before"), state["a-truth"]) in _curated_labels():
        state["a-truth"] = AUTOMATIC  # the label came with that sentence, and goes with it
    row, (examples, _) = state.get("a-row"), evaluation_texts(study.key)
    if row is not None and (examples is None or state["a-text"] != examples.texts[row][:most]):
        state["a-row"] = state["a-picked"] = None


def _curated_labels() -> set[tuple[str, int]]:
    return {(curated.text, curated.label) for curated in engine.curated_sentences().sentences}


def pick_sentence(study: engine.Study) -> None:
    """Pick a sentence of the evaluation set by label, length and outcome."""
    examples, reason = evaluation_texts(study.key)
    state = st.session_state
    with st.expander("Pick a sentence of the evaluation set"):
        if examples is None or examples.pairs is not None:
            pairs = "The examples of this study are pairs of texts; one sentence is attacked here."
            st.text(reason or pairs)
            return
        rows, texts = _filtered(study, examples), examples.texts
        state["a-picked"] = state.get("a-row") if state.get("a-row") in set(rows) else None
        st.selectbox(
            f"{len(rows)} of {len(examples)} sentences",
            [None, *rows],
            key="a-picked",
            on_change=_take,
            args=(study,),
            placeholder="Pick a sentence",
            format_func=lambda row: "–" if row is None else f"{row}: {texts[row][:110]}",
        )


def _take(study: engine.Study) -> None:
    state = st.session_state
    row, (examples, _) = state["a-picked"], evaluation_texts(study.key)
    state["a-row"] = row
    if row is not None and examples is not None:
        state["a-text"], state["a-truth"] = examples.texts[row][: most_characters()], AUTOMATIC


def _filtered(study: engine.Study, examples: engine.Examples) -> list[int]:
    names, table = study.about["label_names"], _outcomes(study, examples)
    left, middle, right = st.columns([2, 3, 3])
    label = left.selectbox(
        "Label",
        [AUTOMATIC, *range(len(names))],
        key="a-pick-label",
        format_func=lambda label: "any" if label == AUTOMATIC else names[label],
    )
    most = max(int(table["words"].max()), 2)
    low, high = middle.slider("Words", 1, most, (1, most), key="a-pick-words")
    kinds = [name for name in flips.KINDS if name == "any" or name in set(table["kind"])]
    sparse = f"{100 * _compared_level(study):g}%"
    kind = right.selectbox(
        "Outcome in the study",
        kinds,
        key="a-pick-kind",
        format_func=lambda name: flips.KINDS[name].format(a="dense", b=sparse),
    )
    table = table[table["words"].between(low, high)]
    table = table if label == AUTOMATIC else table[table["label"] == label]
    return [int(row) for row in (table if kind == "any" else table[table["kind"] == kind])["row"]]


def _compared_level(study: engine.Study) -> float:
    """The measured level whose outcomes the filter tells: the first sparse victim's, else the
    default one's.
    """
    ids = [text.partition("@") for text in st.session_state.get("a-victims", [])]
    own = [float(number) for key, _, number in ids if number and study.key.startswith(key)]
    return own[0] if own else levels.default_level(study)


def _outcomes(study: engine.Study, examples: engine.Examples) -> pd.DataFrame:
    """One row an example, with what the study's attack did to it, dense and sparse."""
    table = pd.DataFrame(
        {
            "row": range(len(examples)),
            "label": examples.labels,
            "words": [len(text.split()) for text in examples.texts],
        }
    )
    measured, _ = read_study(study.key, signature(study.key))
    dense = measured.level(0.0) if measured else None
    sparse = measured.level(_compared_level(study)) if measured else None
    if dense is None or sparse is None:
        return table.assign(kind="any")
    return table.assign(kind=flips.with_kinds(flips.rows(dense, sparse, len(examples)))["kind"])

"""What an attack on a sentence looks like when it is done."""

from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.charts import attack as charts
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.notices import message
from prunescope.app.state.resources import dark

ENCODER = (
    "Similarity is the cosine of the embedded sentence encoder (all-MiniLM-L6-v2) between the text "
    "before and after."
)


def notices(outcome: dict[str, Any]) -> None:
    """What the models had to say of the text and of themselves."""
    for notice in outcome["notices"]:
        st.info(message(notice))
    if outcome["cut_at"]:
        st.info(
            "The text is longer than the model's limit; it reads the first "
            f"{outcome['cut_at']} tokens only."
        )


def result(outcome: dict[str, Any]) -> None:
    """Everything that came of it, below the models' panels."""
    about = _about(outcome)
    _paths(outcome, about)
    _transfer(outcome, about)
    _importance(outcome, about)
    with st.expander("The numbers"):
        _numbers(outcome, about)
        st.caption(ENCODER)


def _about(outcome: dict[str, Any]) -> dict[str, object]:
    return {
        "text": outcome["text"],
        "attack": outcome["attack"],
        "seed": outcome["seed"],
        "budget": _budget(outcome),
        "victims": "; ".join(
            f"{side['name']} = {side['study'][:12]} at {side['sparsity']:g}"
            for side in outcome["sides"]
        ),
    }


def settings(outcome: dict[str, Any]) -> str:
    """How it was attacked, in one line."""
    origin = "as given" if outcome["truth_given"] else "what the dense model says"
    attack = engine.ATTACKS.get(outcome["attack"], outcome["attack"])
    return (
        f"True label: {outcome['label_names'][outcome['truth']]} ({origin}). {attack}, seed "
        f"{outcome['seed']}, {_budget(outcome)}; the same candidates for every model. "
        f"{outcome['seconds']:.1f} s."
    )


def _budget(outcome: dict[str, Any]) -> str:
    limits = [
        f"{outcome['budget'][unit]:g} {unit}"
        for unit in ("queries", "seconds")
        if outcome["budget"][unit]
    ]
    return f"at most {' and '.join(limits)} each" if limits else "no budget"


def _paths(outcome: dict[str, Any], about: dict[str, object]) -> None:
    st.header("Confidence by query", anchor=False)
    paths = {side["name"]: side["path"] for side in outcome["sides"]}
    label = outcome["label_names"][outcome["truth"]]
    chart(
        charts.paths(paths, label, dark()),
        "paths",
        "Lowest confidence in the true label against queries, one line a model",
    )
    export_bar("paths", "prunescope-attack", charts.paths_table(paths), about)
    st.caption(
        "The lowest confidence in the true label of all queries so far; the first queries rank the "
        "words."
    )


def _transfer(outcome: dict[str, Any], about: dict[str, object]) -> None:
    st.header("Does it transfer?", anchor=False)
    table = charts.transfer_table(outcome)
    if table.empty:
        st.text("No model failed, so there is no text to transfer.")
        return
    st.dataframe(table, hide_index=True, alt="What each model says of each adversarial text")
    table_bar("prunescope-transfer", table, about)
    st.caption(
        "Each text on which a model failed, read by all models, with the confidence left in the "
        "true label."
    )


def _importance(outcome: dict[str, Any], about: dict[str, object]) -> None:
    st.header("Word importance", anchor=False)
    if outcome["importance"] is None:
        st.text("Leaving out one word at a time is shown for sentences of 2 to 60 words.")
        return
    table = charts.importance_table(outcome["importance"])
    wide = 26 * min(len(table), charts.MOST_WORDS)  # pixels; a narrow page scrolls sideways
    st.html(
        "<style>.st-key-words { overflow-x: auto; } "
        f".st-key-importance {{ min-width: {wide}px; }}</style>"
    )
    with st.container(key="words"):
        chart(
            charts.importance_map(table, dark()),
            "importance",
            "Points of confidence in the true label that each word is worth to each model",
        )
    export_bar(
        "importance",
        "prunescope-words",
        table,
        {**about, "unit": "points of confidence lost without the word"},
    )
    cut = (
        f" The {charts.MOST_WORDS} most important words are drawn, all are in the export."
        if len(table) > charts.MOST_WORDS
        else ""
    )
    st.caption(
        "Points of confidence in the true label that are lost when the word is left out of the "
        f"original; below 0, the model is more confident without it.{cut} These readings are not "
        "among the attack's queries."
    )


def _numbers(outcome: dict[str, Any], about: dict[str, object]) -> None:
    table = charts.sides_table(outcome)
    form = st.column_config.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        placeholder="–",
        column_config={
            "sparsity": form(format="%g%%"),
            "confidence before": form(format="%.2f%%"),
            "confidence after": form(format="%.2f%%"),
            "similarity": form(format="%.3f"),
        },
    )
    table_bar("prunescope-attack-victims", table, about)

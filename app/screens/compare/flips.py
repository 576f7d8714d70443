"""Two models of the compare page, example by example: their flip tables, and the examples that
flipped.
"""

from typing import Any

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts import compare as charts
from prunescope.app.charts.attack import verdict
from prunescope.app.charts.compare import Level
from prunescope.app.charts.text import plain
from prunescope.app.components import example_list
from prunescope.app.components.export_menu import table_bar
from prunescope.app.screens.compare.level import level_name, nearest, pick_level
from prunescope.app.state.resources import evaluation_texts
from prunescope.engine.reading import flips as reading
from prunescope.engine.reading import levels
from prunescope.engine.reading.changes import p_text
from prunescope.engine.reading.provenance import provenance

Studies = list[engine.Study]
COLUMNS = ("row", "label", "words", "A", "B", "text")


def flips(studies: Studies, sparsity: float, base: Level) -> tuple[Level, Level]:
    """The section; the two models that are compared."""
    st.header("Compare two models example by example", anchor=False)
    a, b = _pick_two(studies, sparsity, base)
    if a == b:
        st.text("A and B are the same model; pick two.")
    elif reason := reading.same_examples(a.study, b.study):
        st.info(plain(f"{reason} Pick two models that were measured on the same examples."))
    else:
        _two_tables(studies, a, b)
        _examples(studies, a, b)
    return a, b


def _pick_two(studies: Studies, sparsity: float, base: Level) -> tuple[Level, Level]:
    left, right = st.columns(2)
    first, second = _usual_two(studies, sparsity, base)
    with left:
        a = pick_level("Model A", "a", studies, first)
    with right:
        b = pick_level("Model B", "b", studies, second)
    return a, b


def _usual_two(studies: Studies, sparsity: float, base: Level) -> tuple[str, str]:
    """The first two studies at this sparsity, where both were measured there on the same examples;
    else the baseline, and the first study at the level that is nearest.
    """
    pruned = [Level(study, sparsity) for study in studies[:2] if sparsity]
    if len(pruned) == 2 and all(level.measured and not level.collapsed for level in pruned):
        a, b = pruned
        if not reading.same_examples(a.study, b.study):
            return levels.level_id(a.study, sparsity), levels.level_id(b.study, sparsity)
    return levels.level_id(base.study, base.sparsity), nearest(studies[0], sparsity or 0.5)


def _results(a: Level, b: Level) -> tuple[engine.LevelResult, engine.LevelResult]:
    first, second = a.measured, b.measured
    assert first is not None and second is not None, "only measured levels can be picked"
    return first, second


def _two_tables(studies: Studies, a: Level, b: Level) -> None:
    first, second = _results(a, b)
    n = a.study.about["counts"]["evaluation"]
    about = _about(studies, a, b)
    left, right = st.columns(2)
    with left:
        table, p = charts.flip_table(first, second, n)
        _two_by_two(
            table, "prunescope-flips", about, f"{n} examples. McNemar's exact test: {p_text(p)}."
        )
    with right:
        reason = reading.same_attack(a.study, b.study)
        if reason or not (first.attacks and second.attacks):
            st.info(plain(reason or "One of the models was not attacked."))
            return
        if collapsed := [name for name, level in (("A", a), ("B", b)) if level.collapsed]:
            st.text(
                f"{' and '.join(collapsed)} collapsed: what an attack does means nothing there."
            )
            return
        table, p, shared = charts.attack_flips(first, second)
        _two_by_two(
            table,
            "prunescope-attack-flips",
            about,
            f"The {shared} attacked examples that both get right. McNemar's exact test: "
            f"{p_text(p)}.",
        )


def _about(studies: Studies, a: Level, b: Level) -> dict[str, object]:
    names = {
        letter: f"{level_name(studies, level)} ({level.study.key[:12]})"
        for letter, level in (("A", a), ("B", b))
    }
    return {**provenance([a.study] if a.study.key == b.study.key else [a.study, b.study]), **names}


def _two_by_two(table: pd.DataFrame, name: str, about: dict[str, object], test: str) -> None:
    st.dataframe(table, hide_index=True)
    st.text(test)
    table_bar(name, table, {**about, "test": test})


def _examples(studies: Studies, a: Level, b: Level) -> None:
    first, second = _results(a, b)
    names = {"A": level_name(studies, a), "B": level_name(studies, b)}
    count = a.study.about["counts"]["evaluation"]
    table = reading.with_kinds(reading.rows(first, second, count))
    examples, reason = evaluation_texts(a.study.key)
    if examples is not None:
        labels = a.study.about["label_names"]
        table = table.assign(
            label=[labels[label] for label in examples.labels],
            words=[len(text.split()) for text in examples.texts],
            text=list(examples.texts),
        )
    st.header("Examples that flipped", anchor=False)
    rows = _filtered(table, names)
    if rows.empty:
        st.text("There is none.")
        return
    rows = rows[[name for name in COLUMNS if name in rows and rows[name].notna().any()]]
    rows = rows.assign(A=rows["A"].map(verdict), B=rows["B"].map(verdict))
    config: dict[str, Any] = {
        **{letter: f"{letter}: {name}" for letter, name in names.items()},
        "row": "example",
        "text": st.column_config.TextColumn(width="large"),
    }
    if examples is not None and examples.pairs is None:
        st.caption(example_list.HINT)
        row = example_list.examples(rows, "c-rows", config)
        example_list.open_on_attack([(a.study, a.sparsity), (b.study, b.sparsity)], row)
    else:
        st.dataframe(rows, hide_index=True, column_config=config)
    table_bar(
        "prunescope-flipped",
        rows.rename(columns={**names, "row": "example"}),
        _about(studies, a, b),
    )
    if examples is None:
        st.caption(plain(f"Examples are shown by their numbers. {reason}"))


def _filtered(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    counts = table["kind"].value_counts()
    kinds = [name for name in reading.KINDS if name != "any" and name in counts]
    if not kinds:
        return table.head(0)
    if st.session_state.get("c-kind") not in kinds:
        apart = [name for name in kinds if name.startswith("only")] or kinds
        st.session_state["c-kind"] = apart[0]

    def title(name: str) -> str:
        words = reading.KINDS[name].format(a=names["A"], b=names["B"])
        return f"{words} ({counts[name]})"

    left, middle, right = st.columns([3, 2, 3])
    kind = left.selectbox("What happened", kinds, key="c-kind", format_func=title)
    rows = table[table["kind"] == kind]
    if "label" in table:
        label = middle.selectbox("Label", ["any", *sorted(table["label"].unique())], key="c-label")
        rows = rows if label == "any" else rows[rows["label"] == label]
    if table["words"].notna().any():
        most = max(2, int(table["words"].max()))
        low, high = right.slider("Words", 1, most, (1, most), key="c-words")
        rows = rows[rows["words"].between(low, high) | rows["words"].isna()]
    return rows

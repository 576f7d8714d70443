"""The table of the compare page: every study at one sparsity."""

from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.charts import compare as charts
from prunescope.app.charts.compare import Level
from prunescope.app.charts.text import plain
from prunescope.app.components.export_menu import table_bar
from prunescope.app.components.provenance import provenance
from prunescope.app.screens.compare.level import level_name
from prunescope.app.screens.compare.link import ALL, DIFFERENT
from prunescope.engine.reading import flips

WIDE = 190  # pixels, enough for every name of a method


def table(studies: list[engine.Study], sparsity: float, base: Level) -> None:
    """One row a study, with deltas to the baseline."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.header(f"At {100 * sparsity:g}%", anchor=False)
    with right:
        choice = st.segmented_control(
            "Settings",
            [DIFFERENT, ALL],
            key="c-settings",
            label_visibility="collapsed",
            required=True,
        )
    differing, same = charts.settings_apart(studies)
    columns = differing if choice == DIFFERENT else list(charts.settings(studies[0]))
    frame = charts.compare_table(studies, sparsity, base, columns)
    hidden = [
        name for name in frame if name == "key" or name.endswith(" n") or frame[name].isna().all()
    ]
    st.dataframe(
        frame.drop(columns=hidden), hide_index=True, column_config=_columns(), placeholder="–"
    )
    same = {name: value for name, value in same.items() if value != "–"}
    about = {
        **provenance(studies),
        **same,
        "sparsity": sparsity,
        "baseline": f"{base.study.key[:12]} at {base.sparsity:g}",
        "unit": "percent; Δ in points; size in MB",
    }
    table_bar("prunescope-compare", frame, about)
    st.caption(plain(_note(studies, base, same if choice == DIFFERENT else {})))


def _columns() -> dict[str, Any]:
    form = st.column_config.NumberColumn
    columns: dict[str, Any] = {
        "size": form("size, MB", format="%.1f"),
        "[CLS] error": form(format="%.3f"),
        "study": st.column_config.TextColumn(width=WIDE),
        "method": st.column_config.TextColumn(width=WIDE),
    }
    for title in charts.TITLES.values():
        columns |= {
            title: form(format="%.1f%%"),
            f"Δ {title}": form(format="%+.1f", help="Points vs the baseline."),
        }
    return columns


def _note(studies: list[engine.Study], base: Level, same: dict[str, Any]) -> str:
    sentences = [f"Deltas are points vs the baseline: {level_name(studies, base)}."]
    if any(
        flips.same_examples(base.study, study) or flips.same_attack(base.study, study)
        for study in studies
    ):
        sentences.append(
            "There is none where the examples differ, nor of Aua and Asr where the attack differs."
        )
    if len(studies) > 1 and same:
        settings = ", ".join(f"{name} {value}" for name, value in same.items())
        sentences.append(f"The same in all: {settings}.")
    return " ".join(sentences)

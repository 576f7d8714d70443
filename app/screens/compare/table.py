"""The table of the compare page: every study at one sparsity."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts import compare as charts
from prunescope.app.charts.compare import Level
from prunescope.app.charts.text import plain
from prunescope.app.components.export_menu import table_bar
from prunescope.app.screens.compare.level import level_name, nearest, pick_level
from prunescope.app.screens.compare.link import ALL, DIFFERENT
from prunescope.app.state.resources import dark, safe_sparsity, signature
from prunescope.engine.reading import flips
from prunescope.engine.reading.comparison import Compared, compare
from prunescope.engine.reading.provenance import provenance
from prunescope.engine.reading.verdicts import percent

WIDE = 190  # pixels, enough for every name of a method
SAFE = (
    "Safe up to: at every measured sparsity up to there Acc and Aua stay within "
    f"{engine.TOLERANCE:g} points of the study's own dense model, with 95% confidence."
)
GUESS = "The same without the confidence: by the examples as they were measured."


def table(studies: list[engine.Study], sparsity: float) -> Level:
    """One row a study, with changes against the baseline, which is picked here."""
    left, middle, right = st.columns([4, 3, 3], vertical_alignment="bottom")
    left.header(f"At {100 * sparsity:g}%", anchor=False)
    with middle:
        base = pick_level(
            "Baseline",
            "base",
            studies,
            nearest(studies[0], 0.0),
            "Deltas in the table are differences to it.",
        )
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
    rows = compare(studies, sparsity, (base.study, base.sparsity))
    safe = {
        study.key: safe_sparsity(study.key, signature(study.key), engine.TOLERANCE)
        for study in studies
        if len(study.levels) > 1
    }
    if all(row.level is None for row in rows):
        st.info(_nearest_sentence(studies, sparsity))
    frame = charts.compare_table(rows, safe, columns)
    hidden = [
        name
        for name in frame
        if name == "key" or name.endswith(" n") or _says_nothing(frame, str(name))
    ]
    st.dataframe(
        charts.styled(rows, frame.drop(columns=hidden), dark()),
        hide_index=True,
        column_config=_columns(),
        placeholder="–",
    )
    same = {name: value for name, value in same.items() if value != "–"}
    about = {
        **provenance(studies),
        **same,
        "sparsity": sparsity,
        "baseline": f"{base.study.key[:12]} at {base.sparsity:g}",
        "safe up to": f"with 95% confidence, within {engine.TOLERANCE:g} points of dense",
        "p": "McNemar's exact test against the baseline, Holm over the rows",
        "unit": "percent; Δ in points; size in MB",
    }
    table_bar("prunescope-compare", frame, about)
    st.caption(plain(_note(rows, base, same if choice == DIFFERENT else {}, studies)))
    return base


def _nearest_sentence(studies: list[engine.Study], sparsity: float) -> str:
    """Where the nearest measured levels are, if none of the studies has this one."""
    measured = sorted({level.sparsity for study in studies for level in study.levels})
    below = [level for level in measured if level < sparsity][-1:]
    above = [level for level in measured if level > sparsity][:1]
    names = " and ".join(map(percent, below + above))
    verb = "is" if len(below + above) == 1 else "are"
    return f"None of these studies was measured at {percent(sparsity)}; {names} {verb} nearest."


def _says_nothing(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column is empty, or says again what the first does."""
    column = frame[name]
    return bool(column.isna().all() or (name != "study" and (column == frame["study"]).all()))


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
            f"Δ {title}": st.column_config.TextColumn(
                help="Points vs the baseline. n.s.: the paired test finds no difference.",
            ),
        }
    for name, help in (("safe up to", SAFE), ("best guess", GUESS)):
        columns[name] = form(format="%g%%", help=help)
    return columns


def _note(
    rows: Sequence[Compared], base: Level, same: dict[str, Any], studies: list[engine.Study]
) -> str:
    sentences = [
        f"Deltas are points vs the baseline: {level_name(studies, base)}. Colour only where "
        f"McNemar's exact test finds a difference (p < .05, Holm over the rows). {SAFE}"
    ]
    if any(
        flips.same_examples(base.study, study) or flips.same_attack(base.study, study)
        for study in studies
    ):
        sentences.append(
            "There is no delta where the examples differ, nor of Aua and Asr where the attack "
            "differs."
        )
    if any(row.collapsed for row in rows):
        sentences.append(
            "A collapsed model does hardly better than one answer to everything: its Aua and Asr "
            "mean nothing."
        )
    if len(studies) > 1 and same:
        settings = ", ".join(f"{name} {value}" for name, value in same.items())
        sentences.append(f"The same in all: {settings}.")
    return " ".join(sentences)

"""The preview: what the file holds, which columns are read, and what the rows are used for."""

import os
from pathlib import Path

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain, visible
from prunescope.app.components.notices import message
from prunescope.app.screens.check.fields import (
    SETTINGS,
    help_of,
    keep,
    kept,
    key_of,
    restore,
    set_field,
)
from prunescope.app.screens.check.labels import MOST, forget_choices, is_class, label_fields

COLUMNS = ("text_column", "pair_column", "label_column")
NONE = "none"
MANY = 100  # different labels beyond which a column is hardly one of labels
SHOWN = 8  # columns of the first rows
HEADLESS = ", or, where its first line is a row, begin the file with a line of column names"
FEW = 200  # evaluated examples below which a rate's interval is wider than ±7 points


def show_preview(spec: engine.StudySpec, preview: engine.StudyPreview) -> None:
    """The preview of model and data, with the fields that change how the data is read."""
    if preview.model is not None:
        _model(preview.model)
    if preview.problem and preview.place in ("model", "data"):
        st.error(_in_page_words(preview.problem, spec))
    data = preview.data
    if data is None:
        return
    st.caption(
        plain(
            f"{visible(data.name)}: {engine.pluralize(data.rows, 'row')}, "
            f"{engine.pluralize(len(data.columns), 'column')}."
        )
    )
    _columns(data)
    _head(data)
    if asked := _asked_for(preview):
        st.warning(plain(asked))
    elif preview.problem and preview.place not in ("model", "data"):
        st.error(_in_page_words(preview.problem, spec))
    label_fields(preview)
    for notice in data.notices:
        st.info(_in_page_words(notice, spec))
    if preview.uses is not None:
        _uses(data, preview.uses)


def _asked_for(preview: engine.StudyPreview) -> str:
    """What a field of this page has to say before the study can start; nothing where the problem is
    another one.
    """
    data, model = preview.data, preview.model
    if data is None or preview.place not in (*COLUMNS, "label_map"):
        return ""
    if preview.place == "text_column" and data.text is None:
        return f"No column is called like a text. Choose the text column above{HEADLESS}."
    if preview.place == "label_column" and data.label is None:
        return f"No column is called like a label. Choose the label column above{HEADLESS}."
    few = data.distinct_labels <= MOST and model is not None and bool(model.classes)
    if preview.place == "label_map" and few and not kept("label_map", ""):
        lines = [line for line in data.labels if line.label]
        asked = [line for line in lines if not is_class(line, model.classes)] or lines
        names = ", ".join(f"“{visible(line.label)[:40]}”" for line in asked)
        mean = f"the labels {names} mean" if len(asked) > 1 else f"the label {names} means"
        choose = "one for each" if len(asked) > 1 else "it"
        return (
            f"Nothing says which class of the model {mean}. Choose {choose} below, or leave such "
            "rows out."
        )
    if data.distinct_labels > MANY:
        return (
            f"The column “{visible(data.label or '')[:60]}” has {data.distinct_labels:,} different "
            "values, so it hardly holds the labels. Choose another label column above."
        )
    return ""


def _model(model: engine.ModelOutline) -> None:
    parts = [f"{visible(model.name)}:"]
    if model.classes:
        names = ", ".join(visible(name)[:40] for name in model.classes[:8])
        more = ", …" if len(model.classes) > 8 else ""
        parts.append(f"{len(model.classes)} classes ({names}{more})")
    else:
        parts.append("its classes are read when the study starts")
    if model.prunable:
        parts.append(f"and about {model.prunable / 1e6:.1f} million prunable weights")
    st.caption(plain(f"{' '.join(parts)}."))
    for notice in model.notices:
        st.info(message(notice))


def _columns(data: engine.DataPreview) -> None:
    """The columns that are read; what is found by itself stands as such."""
    detected = dict(zip(COLUMNS, (data.text, data.pair, data.label), strict=True))
    for column, name in zip(st.columns(3), COLUMNS, strict=True):
        key = restore(name, "")
        if st.session_state[key] not in ("", *data.columns):  # chosen for other data
            set_field(name, "")
        automatic = _automatic(name, detected[name])
        column.selectbox(
            SETTINGS[name].setting.label,
            ["", *data.columns],
            key=key,
            help=help_of(name),
            format_func=lambda option, automatic=automatic: (
                visible(option)[:60] if option else automatic
            ),
            on_change=forget_choices if name == "label_column" else None,
        )
        keep(name)


def _automatic(name: str, detected: str | None) -> str:
    chosen = kept(name, "")
    if detected is not None and not chosen:
        return f"{visible(detected)[:60]} (found)"
    if name == "pair_column":
        return NONE
    return "Find it by its name" if chosen else "Choose a column"


def _head(data: engine.DataPreview) -> None:
    """The first rows, the columns that are read before the others; cells are plain text."""
    first = [name for name in (data.text, data.pair, data.label) if name is not None]
    order = [*first, *(name for name in data.columns if name not in first)][:SHOWN]
    frame = pd.DataFrame(list(data.head), columns=list(data.columns))
    table = pd.DataFrame({visible(name): frame[name].map(visible) for name in order})
    st.dataframe(table, hide_index=True, key=key_of("head"))
    left = len(data.columns) - len(order)
    st.caption(
        f"The first {len(frame)} of {data.rows:,} rows"
        + (f", {left} columns not shown." if left else ".")
    )


def _uses(data: engine.DataPreview, uses: engine.StudyUses) -> None:
    """What the rows are used for, and what there are too few of."""
    used = uses.calibration + uses.held_out + uses.evaluation
    attacked = f", {uses.attacked} of them attacked" if uses.attacked else ""
    text = (
        f"**Used:** {uses.calibration} rows calibrate the pruner, {uses.held_out} measure layer "
        f"errors, {uses.evaluation} are evaluated{attacked}. "
    )
    if left := data.rows - used:
        text += f"{left:,} rows are not used. "
    if data.about == "file":
        text += "One file is divided at random: one half calibrates, the other is evaluated."
    st.markdown(text)
    if uses.evaluation < FEW:
        half = engine.half_width(uses.evaluation)
        st.warning(
            f"With {uses.evaluation} evaluated rows, an accuracy is known to about ±{half:.0f} "
            "points only. More labelled rows make the answer sharper."
        )
    if uses.lacking:
        st.warning(
            f"About {uses.tokens:,} tokens of calibration text are fewer than the "
            f"{uses.lacking:,} inputs of the model's widest layer, so this method will be refused. "
            "Add rows, choose Magnitude or Wanda, or turn on “Force” below."
        )


def _in_page_words(text: str, spec: engine.StudySpec) -> str:
    """A message of the engine with a file's name in place of its whole path."""
    path = spec.data
    if os.path.isabs(path):
        text = text.replace(path, Path(path).name)
    return message(text)

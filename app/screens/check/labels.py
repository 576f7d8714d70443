"""Which of the model's classes each label of the data means, with the reason, and changeable."""

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain, visible
from prunescope.app.screens.check.fields import kept, key_of, set_field, text

MOST = 12  # labels that get a field each
LEFT_OUT = "leave these rows out"
WHY = {
    "name": "same name",
    "meaning": "same meaning",
    "number": "by its number",
    "choice": "your choice",
    "left out": "left out",
    "unknown": "not matched",
}


def label_fields(preview: engine.StudyPreview) -> None:
    """A field for each label, set to what was found; or a table where there are many."""
    data, model = preview.data, preview.model
    if data is None or not data.labels:
        return
    if model is None or not model.classes:
        _table(data)
        st.caption("The classes of the model are read when the study starts.")
        return
    st.markdown("**Label map:** which class of the model each label means")
    lines = [line for line in data.labels if line.label]
    if data.distinct_labels > MOST:
        _table(data)
        text(st, "label_map")
        return
    _fields(lines, model.classes)
    if kept("label_map", "") and st.button("Match them automatically", key="check-automatic"):
        _reset(lines)
        st.rerun()


def _fields(lines: list[engine.LabelLine], classes: tuple[str, ...]) -> None:
    columns = st.columns(min(len(lines), 4) or 1)
    options = [*range(len(classes)), -1]
    chosen = dict[str, int | None]()
    for number, line in enumerate(lines):
        number_found = classes.index(line.target) if line.target in classes else None
        named = number_found is None and is_class(line, classes)
        if named:
            number_found = _folded(classes).index(line.label.casefold())
        if line.why == "left out":
            number_found = -1
        key = _key(line)
        if key not in st.session_state:
            st.session_state[key] = number_found
        with columns[number % len(columns)]:
            st.selectbox(
                f"{plain(visible(line.label)[:60])} · {engine.pluralize(line.rows, 'row')}",
                options,
                key=key,
                format_func=lambda option: (
                    LEFT_OUT if option < 0 else visible(classes[option])[:60]
                ),
                placeholder="Choose a class",
                on_change=_choose,
                args=(lines, classes),
            )
            st.caption(WHY["name" if named else line.why])
        chosen[line.label] = st.session_state[key]


def _folded(classes: tuple[str, ...]) -> list[str]:
    return [name.casefold() for name in classes]


def is_class(line: engine.LabelLine, classes: tuple[str, ...]) -> bool:
    """Whether a label that was not matched, because others could not be, is a class by its name."""
    return line.why == "unknown" and line.label.casefold() in _folded(classes)


def _key(line: engine.LabelLine) -> str:
    return key_of(f"label-{line.label}")


def _choose(lines: list[engine.LabelLine], classes: tuple[str, ...]) -> None:
    """Write the label map, once every label has a class."""
    chosen = {line.label: st.session_state.get(_key(line)) for line in lines}
    if any(number is None for number in chosen.values()):
        return
    set_field("label_map", engine.label_map_text(chosen))


def _reset(lines: list[engine.LabelLine]) -> None:
    set_field("label_map", "")
    for line in lines:
        st.session_state.pop(_key(line), None)


def forget_choices() -> None:
    """The labels of other data were chosen."""
    set_field("label_map", "")
    for key in [str(key) for key in st.session_state]:
        if key.startswith(key_of("label-")):
            del st.session_state[key]


def _table(data: engine.DataPreview) -> None:
    frame = pd.DataFrame(
        [
            {
                "label": visible(line.label)[:60] or "(empty)",
                "rows": line.rows,
                "class of the model": visible(line.target or "–"),
                "why": WHY[line.why],
            }
            for line in data.labels
        ]
    )
    st.dataframe(frame, hide_index=True, height=min(36 * len(frame) + 38, 300))

"""The form: model, data, preview, settings, start."""

from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.components.notices import show_error
from prunescope.app.screens.check.fields import kept, set_field
from prunescope.app.screens.check.labels import forget_choices
from prunescope.app.screens.check.link import COLUMNS, FORM, TOLERANCE, VIEW, view_of
from prunescope.app.screens.check.look import look
from prunescope.app.screens.check.preview import show_preview
from prunescope.app.screens.check.settings import settings
from prunescope.app.screens.check.sources import data_source, model_source
from prunescope.app.screens.check.start import start_row
from prunescope.app.state import address


def form(rows: list[engine.StudyRow]) -> None:
    """The whole form; what it says goes into the address."""
    left, right = st.columns(2, gap="large")
    with left:
        st.header("1 · Model", anchor=False)
        model = model_source()
    with right:
        st.header("2 · Data", anchor=False)
        data = data_source()
    _mind_new_data(data)
    preview_place = st.container()
    st.header("3 · Settings", anchor=False)
    spec = _spec(model, data)
    preview = None
    with preview_place:
        if spec is not None and model and data:
            preview = look(spec)
            if preview is not None:
                show_preview(spec, preview)
        else:
            st.caption(_missing(model, data))
    ready = spec if model and data else None
    start_row(ready, preview, rows)
    if spec is not None:
        view = view_of(spec, model, data)
        tolerance = kept(TOLERANCE, engine.TOLERANCE)
        if tolerance != engine.TOLERANCE:
            view[TOLERANCE] = f"{tolerance:g}"
        address.write_own({VIEW: FORM, **view})


def _mind_new_data(data: str) -> None:
    """Columns and labels that were chosen for other data are chosen anew."""
    if data and kept("data-seen", data) != data:
        forget_choices()
        for name in COLUMNS:
            set_field(name, "")
    if data:
        set_field("data-seen", data)


def _missing(model: str, data: str) -> str:
    lacking = [name for name, value in (("the model", model), ("the data", data)) if not value]
    return f"Name {' and '.join(lacking)} to see what would be measured."


def _spec(model: str, data: str) -> engine.StudySpec | None:
    """The study that the fields describe; None, and the page says why, where it cannot be one."""
    try:
        values: dict[str, Any] = settings()
        columns = {name: kept(name, "") or None for name in COLUMNS}
        return engine.StudySpec(
            **values, **columns, model=model or "embedded", data=data or "embedded"
        )
    except engine.PruneScopeError as error:
        show_error(error)
        return None

"""The form in the address: every setting that differs from its default, so that a reload, a copied
link and "Run again with changes" fill it alike.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.screens.check.fields import DEFAULT, SETTINGS, forget_all, set_field
from prunescope.app.state import address
from prunescope.app.state.resources import store

UPLOAD = "upload:"  # before the first digits of an uploaded file's checksum
TOLERANCE = "tolerance"
COLUMNS = ("text_column", "pair_column", "label_column", "label_map")
DIGITS = 12
VIEW, FORM, ANSWER = "view", "form", "answer"  # what the page shows
Values = dict[str, Any]


def view_of(spec: engine.StudySpec, model: str, data: str) -> dict[str, str]:
    """The settings that differ from the form's defaults, as an address says them; what is not named
    yet is left out.
    """
    values = {**asdict(spec), "model": model or None, "data": data or None}
    return {
        name: _written(name, value)
        for name, value in values.items()
        if value is not None and (value != getattr(DEFAULT, name) or name == "data")
    }


def view_of_study(study: engine.Study) -> dict[str, str]:
    """The settings of a stored study; data of which only the name is known is left out."""
    values: Values = {
        **engine.stored_settings(study),
        "levels": tuple(level.sparsity for level in study.levels),
    }
    settings = {name: value for name, value in values.items() if name in SETTINGS}
    if settings.get("data") is None:
        settings.pop("data", None)
    if not settings["levels"]:
        del settings["levels"]
    spec = engine.StudySpec(**{**asdict(DEFAULT), **settings})
    return view_of(spec, spec.model, settings.get("data", ""))


def _written(name: str, value: Any) -> str:
    if name == "levels":
        return ", ".join(f"{100 * level:g}" for level in value)
    if name == "data" and (upload := engine.upload_at(store(), str(value))) is not None:
        return f"{UPLOAD}{upload.digest[:DIGITS]}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def take_up(view: Mapping[str, str]) -> list[str]:
    """Fill the form from an address; notices about what cannot be taken up."""
    forget_all()
    notices = list[str]()
    for name, text in view.items():
        if name == TOLERANCE:
            value, of_value = address.number(TOLERANCE, engine.TOLERANCE, 0.0, 50.0)
            set_field(TOLERANCE, value)
            notices += of_value
        elif name in SETTINGS:
            notices += _take(name, text)
    return notices


def _take(name: str, text: str) -> list[str]:
    kind = SETTINGS[name].kind
    if name == "data":
        return _take_data(text)
    if name == "model":
        set_field("model-kind", model_kind(text))
        set_field(f"model-{model_kind(text)}", text)
        return []
    if kind is bool:
        set_field(name, text == "True")
    elif kind in (int, float):
        default = getattr(DEFAULT, name)
        value, notices = address.number(name, default or 0, 0, 10_000_000, whole=kind is int)
        set_field(name, kind(value) if default is not None else f"{value:g}")
        return notices
    else:
        set_field(name, text)
    return []


def _take_data(text: str) -> list[str]:
    if text.startswith(UPLOAD):
        view = store()
        upload = engine.find_upload(view, text.removeprefix(UPLOAD))
        set_field("data-kind", "upload")
        set_field("data-upload", upload.digest if upload else "")
        if upload is None:
            notice = "The uploaded file of this link is not on this machine; upload it again."
            return [*view.notices, notice]
        return []
    set_field("data-kind", data_kind(text))
    set_field(f"data-{data_kind(text)}", text)
    return []


def model_kind(name: str) -> str:
    """How the form names a model: "built-in", "folder" or "hub"."""
    if name == "embedded" or name.startswith("embedded:"):
        return "built-in"
    return "hub" if _is_hub_name(name) else "folder"


def data_kind(name: str) -> str:
    """How the form names data: "built-in", "path" or "hub"; an upload is told by its place."""
    if name == "embedded":
        return "built-in"
    return "hub" if engine.is_on_hub(name) else "path"


def _is_hub_name(name: str) -> bool:
    return not (name.startswith((".", "/", "~")) or name.count("/") > 1 or Path(name).is_dir())


def enter() -> list[str]:
    """Take up the address when the page is entered; notices about what cannot be taken up."""
    linked, raw = address.entered(), st.query_params.to_dict()
    if linked is None:
        return []
    settings = [name for name in (*SETTINGS, TOLERANCE) if name in linked]
    if VIEW not in linked and "study" in raw and not settings:
        address.write(VIEW, ANSWER)  # a link from elsewhere, which names a study alone
        return []
    fills = linked.get(VIEW) == FORM or (bool(settings) and linked.get(VIEW) != ANSWER)
    return take_up(linked) if fills else []


def is_answer() -> bool:
    """Whether the page shows a study, or the job that measures one; otherwise it is a form."""
    return bool(address.read("job")) or address.read(VIEW) == ANSWER

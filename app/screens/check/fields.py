"""The fields of the form: each is a setting of a study, and outlives runs that do not draw it.

Streamlit forgets a widget that a run does not draw. What was typed is kept beside it, so that
switching between an upload and a path, or leaving the page, loses nothing.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain

SETTINGS = engine.settings_of(engine.StudySpec)
DEFAULT = engine.StudySpec(levels=(0.0, 0.5, 0.7, 0.8, 0.9), attack_examples=100)
BLANK = "other-than-listed"  # the option that opens a field to type in
TYPED = "Another value…"


def key_of(name: str) -> str:
    """The key of a field's widget."""
    return f"check-{name}"


def restore(name: str, default: Any) -> str:
    """Set a field that is drawn anew to what it was; its key."""
    key = key_of(name)
    if key not in st.session_state:
        st.session_state[key] = st.session_state.get(f"kept-{key}", default)
    return key


def keep(name: str) -> Any:
    """Remember what a field says, and return it."""
    key = key_of(name)
    value = st.session_state[f"kept-{key}"] = st.session_state[key]
    return value


def set_field(name: str, value: Any) -> None:
    """What a field says from the next run on; for callbacks, and before it is drawn."""
    st.session_state[f"kept-{key_of(name)}"] = st.session_state[key_of(name)] = value


def kept(name: str, default: Any = None) -> Any:
    """What a field says, drawn or not yet drawn in this run."""
    key = key_of(name)
    return st.session_state.get(key, st.session_state.get(f"kept-{key}", default))


def forget_all() -> None:
    """Empty the form."""
    for key in [str(key) for key in st.session_state]:
        if key.startswith((key_of(""), f"kept-{key_of('')}")):
            del st.session_state[key]


def help_of(name: str) -> str:
    """A setting's help, as a page shows it."""
    return plain(SETTINGS[name].sentence)


def text(column: Any, name: str, default: str = "", **more: Any) -> str:
    """A field for text, without blanks at its ends."""
    label = more.pop("label", None) or SETTINGS[name].setting.label
    key = restore(name, default)
    column.text_input(label, key=key, max_chars=2000, **{"help": _help(name), **more})
    return str(keep(name)).strip()


def _help(name: str) -> str | None:
    return help_of(name) if name in SETTINGS else None


def number(column: Any, name: str, disabled: bool = False) -> int:
    """A field for a whole number."""
    least = 0 if name == "seed" else 1
    key = restore(name, getattr(DEFAULT, name))
    column.number_input(
        SETTINGS[name].setting.label,
        least,
        10_000_000,
        step=1,
        key=key,
        help=help_of(name),
        disabled=disabled,
    )
    return int(keep(name))


def choice(column: Any, name: str, titles: Mapping[str, str], typed: bool = True) -> str:
    """A field with usual values. Where others are possible they are typed into a field of their
    own, so that nothing typed is lost.
    """
    value = kept(name, getattr(DEFAULT, name))
    listed = name + "-listed"
    options = [*titles, *([BLANK] if typed else [])]
    key = restore(listed, value if value in titles else BLANK if typed else options[0])
    column.selectbox(
        SETTINGS[name].setting.label,
        options,
        key=key,
        help=help_of(name),
        format_func=lambda option: TYPED if option == BLANK else titles[option],
    )
    picked = str(keep(listed))
    if picked != BLANK:
        set_field(name, picked)
        return picked
    return text(column, name, value, label=f"{SETTINGS[name].setting.label}, typed")

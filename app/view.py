"""What a page shows, as its address says it: the address is read when it is new, and written whenever the view changes.

Within a session the view lives in the session's state, so it survives a change of page; a link, in another browser or from
another page, wins over it. What a link names and this store has not is told, never passed over in silence.
"""

import math
from collections.abc import Sequence

import streamlit as st

from app.text import plain
from engine import Study

FIRST = 50.0  # per cent, where nothing else is asked for


def read(name: str, default: str) -> str:
    """A part of the view as text: what a link newly says, else what it was, else the default."""
    given, ours = st.query_params.get(name), st.session_state.setdefault("address", {})
    if given is not None and given != ours.get(name):
        ours[name] = given
        st.session_state[f"view-{name}"] = given
    return str(st.session_state.get(f"view-{name}", default))


def write(name: str, value: str, default: str | None = None) -> None:
    """Keep a part of the view, and put it into the address unless it is the default."""
    st.session_state[f"view-{name}"] = value
    ours = st.session_state.setdefault("address", {})
    if value == default:
        ours.pop(name, None)
        st.query_params.pop(name, None)
    else:
        ours[name] = value
        if st.query_params.get(name) != value:  # a write sends the whole address, so none without need
            st.query_params[name] = value


def number(name: str, default: float, low: float, high: float) -> tuple[float, str | None]:
    """A number of the view, and a notice where the link's is none or out of range."""
    text = read(name, f"{default:g}")
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if low <= found <= high:
        return found, None
    write(name, f"{default:g}")
    return default, plain(
        f"The link says {name} = {text[:20]}, which is not a number from {low:g} to {high:g}; {default:g} is shown."
    )


def studies(there: Sequence[Study], most: int) -> tuple[list[str], list[str]]:
    """(keys of the view's studies, notices about those that are not here). Keys in the address are cut to 12 digits."""
    keys, notices = [], []
    for wanted in [part for part in read("study", "").split(",") if part]:
        key = next((study.key for study in there if study.key.startswith(wanted)), None)
        if key is None:
            notices.append(plain(f"The link names the study {wanted[:12]!r}, which is not in this store."))
        elif key not in keys:
            keys.append(key)
    if len(keys) > most:
        notices.append(f"The link names {len(keys)} studies; the first {most} are shown.")
    return keys[:most] or [there[0].key], notices


def keep_studies(keys: Sequence[str]) -> None:
    """Put the studies that are shown into the address."""
    write("study", ",".join(key[:12] for key in keys))

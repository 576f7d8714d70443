"""What several pages share: picking studies, the heat map, notices, and where numbers come from."""

from collections.abc import Sequence

import plotly.colors
import streamlit as st

from prunescope import engine
from prunescope.app.charts.report import study_report
from prunescope.app.components import instrument
from prunescope.app.components.text import plain
from prunescope.app.state import address
from prunescope.app.state.limits import public
from prunescope.app.state.resources import read_study, signature, store
from prunescope.engine.reading import series

STOPS_NOTE = "between them values are interpolated, marked ≈ and drawn hollow."
COLOURS = plotly.colors.sample_colorscale("Cividis", 41)


def notices_of(warnings: Sequence[str], infos: Sequence[str] = ()) -> None:
    """What the store and the address had to say."""
    for text in dict.fromkeys(warnings):
        st.warning(plain(text))
    for text in dict.fromkeys(infos):
        st.info(text)


def pick_studies(studies: Sequence[engine.Study], most: int) -> tuple[list[str], list[str]]:
    """The picker of several studies: (keys that are shown, notices about the address's)."""
    names = study_names(studies)
    linked, notices = _linked(studies, most)
    if st.session_state.get("studies-seen") != linked or "studies" not in st.session_state:
        st.session_state["studies"] = linked
    keys = st.multiselect(
        "Studies",
        list(names),
        format_func=names.__getitem__,
        key="studies",
        max_selections=most,
        placeholder="Pick a study",
        wrap=True,
    )
    st.session_state["studies-seen"] = keys
    if keys:
        _keep(keys)
    return keys, notices


def pick_study(studies: Sequence[engine.Study], most: int) -> tuple[str, list[str]]:
    """The picker of one study, the first of the view's; the others stay in the address."""
    names = study_names(studies)
    linked, notices = _linked(studies, most)
    if st.session_state.get("study-seen") != linked[0] or "study" not in st.session_state:
        st.session_state["study"] = linked[0]
    key = str(st.selectbox("Study", list(names), format_func=names.__getitem__, key="study"))
    st.session_state["study-seen"] = key
    _keep([key, *(other for other in linked if other != key)] if key in linked else [key])
    return key, notices


def _linked(studies: Sequence[engine.Study], most: int) -> tuple[list[str], list[str]]:
    linked, notices = address.studies(studies, most)
    return linked or [studies[0].key], notices


def _keep(keys: Sequence[str]) -> None:
    address.write("study", ",".join(key[:12] for key in keys))


def study_names(studies: Sequence[engine.Study]) -> dict[str, str]:
    """Key → the study in words; no two read alike."""
    return dict(zip((study.key for study in studies), engine.full_names(studies), strict=True))


def opened(keys: Sequence[str]) -> tuple[list[engine.Study], list[str]]:
    """The studies with their levels, and what the store had to say; one without any level says
    where it stands.
    """
    found, notices, without = [], [], list[engine.Study]()
    for key in keys:
        study, told = read_study(key, signature(key))
        notices += told
        if study is not None:
            (found if study.levels else without).append(study)
    return found, [*notices, *stand(without)]


def stand(studies: Sequence[engine.Study]) -> list[str]:
    """Where each of some studies without a level stands, in a sentence."""
    view = store()
    states, names = engine.unfinished(view, [study.key for study in studies]), study_names(studies)
    return [*view.notices, *(f"{names[key]} {whole(state)}" for key, state in states.items())]


def whole(state: engine.Unfinished) -> str:
    """A state's sentence with its reason, which strangers are not told: it may name places on this
    machine.
    """
    resume = "; resume it on the page Studies" if state.command and not public() else ""
    return f"{state.sentence}{resume}." + (
        f" {state.reason}" if state.reason and not public() else ""
    )


def provenance(studies: Sequence[engine.Study]) -> dict[str, object]:
    """Where numbers come from, for the head of an exported file."""
    machines = dict.fromkeys(machine for study in studies for machine in study.machines)
    return {
        "made by": "PruneScope",
        "study": "; ".join(map(engine.full_name, studies)),
        "key": ", ".join(s.key for s in studies),
        "seed": ", ".join(str(s.about["seed"]) for s in studies),
        "rates": "with 95 % Wilson intervals",
        **({"measured with": "; ".join(machines)} if machines else {}),
    }


def heat_map(study: engine.Study, stops: list[float], start: float) -> str | None:
    """The heat map of a study's layer errors; the cell that is picked, also by the address."""
    picked = address.read("cell") or None
    uneven = (
        " Some layers are made sparser than others: “What the pruner did”, on Explore, lists "
        "by how much."
    )
    data = {
        **series.heat(study, stops),
        "colours": COLOURS,
        "picked": picked,
        "note": "One colour scale for the whole study. Pick a cell, by click or with arrows and "
        "Enter." + (uneven if series.uneven(study) else ""),
    }
    chosen = instrument.heat(data, start) or picked
    if chosen not in study.levels[0].layer_errors:
        if chosen is not None:
            st.info(f"The link names the layer {address.seen(chosen)}, which this model has not.")
            address.write("cell", None)
        return None
    address.write("cell", chosen)
    return chosen


def report_button(study: engine.Study, points: float) -> None:
    """The whole study as one page that works from a file; built when it is asked for."""
    st.download_button(
        "Report of the whole study (HTML)",
        data=lambda: study_report(study, points),
        mime="text/html",
        file_name=f"prunescope-{study.key[:12]}.html",
        on_click="ignore",
        key="report",
    )

"""The attack page's address: its widgets are set from a link once, when the page is entered."""

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.screens.attack import defaults as usual
from prunescope.app.screens.attack.attacks import missing, runnable
from prunescope.app.state import address
from prunescope.app.state.limits import most_characters
from prunescope.app.state.resources import evaluation_texts
from prunescope.engine.reading import levels


def take_up(view: dict[str, str], studies: list[engine.Study]) -> list[str]:
    """Set the widgets from an address; notices about what it names and is not here."""
    state = st.session_state
    selection = address.selection(studies)
    study = next(study for study in studies if study.key == selection.studies[0])
    state["a-study"], state["a-sparsity"] = study.key, None
    of_victims = _take_victims(view, studies, study)
    state["a-attack"], of_attack = _attack(study)
    return [
        *selection.notices,
        *of_victims,
        *of_attack,
        *_take_label(view, study),
        *_take_budget(study),
        *_take_text(view, study),
    ]


def _take_victims(
    view: dict[str, str], studies: list[engine.Study], study: engine.Study
) -> list[str]:
    linked = [
        (text, levels.parse(text, studies, study)) for text in view.get("victims", "").split()
    ]
    ids = [levels.level_id(*level) for _, level in linked if level]
    st.session_state["a-victims"] = ids[: levels.MOST] or usual.victims(study)
    return [
        f"The link names the victim {address.quoted(text)}, which is not here."
        for text, level in linked
        if level is None
    ][:3]


def _attack(study: engine.Study) -> tuple[str, list[str]]:
    name, notices = address.one_of("attack", list(engine.ATTACKS), usual.attack(study))
    if needs := missing(study, name):
        usable = runnable(study)
        if usable:
            notices = [*notices, f"{needs} {plain(engine.ATTACKS[usable[0]])} is picked instead."]
            name = usable[0]
    return name, notices


def _take_label(view: dict[str, str], study: engine.Study) -> list[str]:
    label, notices = float(usual.AUTOMATIC), list[str]()
    if "label" in view:
        last = len(study.about["label_names"]) - 1
        label, notices = address.number(
            "label", usual.AUTOMATIC, 0, last, whole=True, usual="the automatic one"
        )
    st.session_state["a-truth"] = int(label)
    return notices


def _take_budget(study: engine.Study) -> list[str]:
    own = usual.budget(study)
    seed, of_seed = address.number("seed", own["seed"], 0, usual.MOST_SEED, whole=True)
    queries, of_queries = address.number(
        "queries", own["queries"], 0, usual.MOST_QUERIES, whole=True
    )
    seconds, of_seconds = address.number("seconds", own["seconds"], 0, usual.MOST_SECONDS)
    usual.set_budget({"seed": seed, "queries": queries, "seconds": seconds})
    return [*of_seed, *of_queries, *of_seconds]


def _take_text(view: dict[str, str], study: engine.Study) -> list[str]:
    state, most = st.session_state, most_characters()
    state["a-row"], state["a-text"] = None, view.get("text", usual.text(study))[:most]
    if "row" not in view:
        return []
    link = f"The link names row {address.quoted(view['row'])} of"
    examples, reason = evaluation_texts(study.key)
    if examples is None:
        return [f"{link} the evaluation set. {plain(reason)}"]
    if examples.pairs is not None:
        return [f"{link} an evaluation set of pairs; a single text is attacked here."]
    row, outside = address.number("row", -1, 0, len(examples) - 1, whole=True)
    if outside:
        return [f"{link} the evaluation set, which has {len(examples)} rows."]
    state["a-row"], state["a-text"] = int(row), examples.texts[int(row)][:most]
    return []

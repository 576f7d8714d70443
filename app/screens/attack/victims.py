"""The picker of sparse models: levels of this study, of others, or a typed percentage; and which of
them are ready.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.components import job_progress
from prunescope.app.components.notices import message
from prunescope.app.components.take_model import shipped_sentence, ships
from prunescope.app.state.resources import read_study, signature, workbench
from prunescope.engine.reading import levels, series

Victim = tuple[engine.Study, float]  # a study and the sparsity of its model
OFFERED = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)  # of other studies; any can be typed into the address


def pick_victims(study: engine.Study, studies: list[engine.Study]) -> list[Victim]:
    """The picker; the victims, the dense one first."""
    offered = _offered(study, studies)
    names = dict(zip(offered, levels.level_names(list(offered.values()), study), strict=True))
    texts = st.multiselect(
        "Sparse models, beside the dense one",
        list(names),
        key="a-victims",
        max_selections=levels.MOST,
        format_func=lambda text: names.get(text, text),
        accept_new_options=True,
        select_all=False,
        on_change=_canonical,
        args=(study, studies),
        help="Up to three. Type a percentage for any sparsity of this study; the list holds levels "
        "of other studies with the same classes too.",
        placeholder="Pick levels, or type a percentage",
        wrap=True,
    )
    victims = [levels.parse(text, studies, study) for text in texts]
    if None in victims:
        st.info("A model of a study that is no longer in the store is left out.")
    for victim in victims:
        if victim is not None and (model := ships(*victim)) is not None:
            measured, _ = read_study(victim[0].key, signature(victim[0].key))
            st.caption(plain(shipped_sentence(measured or victim[0], model)))
    return [(study, 0.0), *(victim for victim in victims if victim is not None)]


def show_readiness(request: dict[str, Any]) -> None:
    """Have the models that are ready loaded while the sentence is being chosen, and say which must
    be pruned first; a newer choice takes the place of an older.
    """
    job = job_progress.in_slot("ready")
    if job is None or job.arguments != request:
        job_progress.begin("ready", workbench(), "ready", **request)
        job = job_progress.in_slot("ready")
    if job is None:
        return

    def draw() -> None:
        job.look()
        if job.state == "failed":
            st.info(message(job.reason))
        elif job.state == "cancelled":
            st.caption("The models are loaded when the attack starts.")
        elif job.active and not job.unready:
            st.caption("Loading the models…")
        else:
            st.caption(readiness(request["victims"], job.unready, job.stand_ins))

    job_progress.poll("progress-ready", 1.0 if job.active else None, draw)


def readiness(
    victims: list[dict[str, Any]], unready: list[str], stand_ins: Mapping[str, str]
) -> str:
    """Which models are attacked at once, which must be pruned first, and who stands in for them."""
    if not unready:
        return "All of these are attacked at once."
    times = []
    for victim in victims:
        if victim["name"] in unready:
            measured, _ = read_study(victim["study"], signature(victim["study"]))
            seconds = None if measured is None else levels.prune_seconds(measured)
            about = f" (about {_rounded(seconds)} s)" if seconds else ""
            times.append(f"{victim['name']}{about}")
    verb = "must be pruned first; the others do not wait for it."
    if len(times) > 1:
        verb = "must be pruned first; the others do not wait for them."
    meanwhile = "".join(
        f" Until then {own} is attacked in place of {name}." for name, own in stand_ins.items()
    )
    return plain(f"{' and '.join(times)} {verb}{meanwhile}")


def _rounded(seconds: float) -> int:
    return max(1, round(seconds)) if seconds < 10 else 5 * round(seconds / 5)


def _offered(study: engine.Study, studies: list[engine.Study]) -> dict[str, Victim]:
    """Id → victim: the study's levels, some of other studies, and what is picked already."""
    measured, _ = read_study(study.key, signature(study.key))
    own = {level.sparsity for level in measured.levels if level.sparsity} if measured else set()
    victims = [(study, sparsity) for sparsity in sorted({*own, levels.default_level(study)})]
    for other in levels.same_classes(studies, study)[1:]:
        fixed = series.own_sparsity(other)
        victims += [(other, sparsity) for sparsity in (OFFERED if fixed is None else (fixed,))]
    offered = {levels.level_id(*victim): victim for victim in victims}
    for text in st.session_state.get("a-victims", []):
        if text not in offered and (victim := levels.parse(text, studies, study)):
            offered[text] = victim
    return offered


def _canonical(study: engine.Study, studies: list[engine.Study]) -> None:
    """A percentage that was typed becomes the level it means; anything else that was typed is
    dropped.
    """
    state = st.session_state
    victims = [levels.parse(text, studies, study) for text in state["a-victims"]]
    ids = [levels.level_id(*victim) for victim in victims if victim is not None and victim[1] > 0]
    if len(ids) < len(victims):
        state["a-said"] = (
            "The sparsity is a percentage above 0 and below 100 that the study's pattern allows."
        )
    state["a-victims"] = list(dict.fromkeys(ids))

"""What the form of the attack page holds before anybody changes it: the study's own settings, so
that what the study measured is found again.
"""

import streamlit as st

from prunescope import engine
from prunescope.app.state import address
from prunescope.app.state.defaults import SENTENCE
from prunescope.app.state.resources import read_study, signature
from prunescope.engine.reading import levels

AUTOMATIC = -1  # the true label of the text that was picked, else what the dense model says
MOST_SEED, MOST_QUERIES, MOST_SECONDS = 2**31, 100_000, 3600


def text(study: engine.Study) -> str:
    """A sentence that breaks the model which is shown, where one ships; else one that ships."""
    own = [
        sentence
        for sentence in engine.curated_sentences().sentences
        if study.key.startswith(sentence.study[:12])
    ]
    percent = address.sparsity(study)
    own.sort(key=lambda sentence: abs(100 * sentence.sparsity - percent))
    return own[0].text if own else SENTENCE


def victims(study: engine.Study) -> list[str]:
    """The sparse models, as ids of levels: the study's own at the selected sparsity, where it can
    be pruned to that.
    """
    measured, _ = read_study(study.key, signature(study.key))
    level = levels.parse(f"{address.sparsity(measured or study):g}", [study], study)
    sparsity = level[1] if level and level[1] else levels.default_level(study)
    return [levels.level_id(study, sparsity)]


def attack(study: engine.Study) -> str:
    """The study's own attack; DeepWordBug where it had none or one that is not known here."""
    name = study.about["attack"]
    return name if name in engine.ATTACKS else "deepwordbug"


def budget(study: engine.Study) -> dict[str, float]:
    """Seed, queries and seconds of the study's own attacks; 0 is no limit."""
    spec = study.about["spec"]
    seed = study.about["seed"]
    queries, seconds = spec.get("max_queries") or 0, spec.get("max_seconds") or 0
    return {
        "seed": seed if 0 <= seed <= MOST_SEED else 0,
        "queries": queries if queries <= MOST_QUERIES else 0,
        "seconds": seconds if seconds <= MOST_SECONDS else 0,
    }


def set_budget(values: dict[str, float]) -> None:
    """Set the three fields."""
    state = st.session_state
    state["a-seed"], state["a-queries"] = int(values["seed"]), int(values["queries"])
    state["a-seconds"] = float(values["seconds"])


def reset(study: engine.Study) -> None:
    """Set everything but the text to what this study measured."""
    state = st.session_state
    state["a-victims"], state["a-attack"] = victims(study), attack(study)
    state["a-row"], state["a-truth"] = None, AUTOMATIC
    set_budget(budget(study))

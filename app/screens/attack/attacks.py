"""The picker of the attack: those that this machine can run; the others apart, with what each
needs.
"""

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.screens.attack import defaults as usual
from prunescope.app.state.resources import attacks_here


def runnable(study: engine.Study) -> list[str]:
    """The attacks that need nothing that is missing here, the usual one first."""
    lacking = _lacking(study)
    names = [name for name in engine.ATTACKS if not lacking.get(name)]
    first = usual.attack(study)
    return sorted(names, key=lambda name: name != first)


def missing(study: engine.Study, name: str) -> str:
    """What an attack needs and is not here, in a sentence; empty where it can run."""
    needs = _lacking(study).get(name, ())
    return plain(f"{engine.ATTACKS[name]} needs {'; '.join(needs)}.") if needs else ""


def pick_attack(study: engine.Study) -> str:
    """The picker; the name of the attack. Without a runnable one it says why and ends the page."""
    names, state = runnable(study), st.session_state
    if not names:
        st.info(missing(study, usual.attack(study)))
        st.stop()
    if state.get("a-attack") not in names:
        state["a-attack"] = names[0]
    attack: str = st.selectbox(
        "Attack (the same for every model)", names, key="a-attack", format_func=engine.ATTACKS.get
    )
    others = [name for name in engine.ATTACKS if name not in names]
    if others:
        with st.popover(
            f"{len(others)} more attacks need files that are not here", type="tertiary"
        ):
            for name in others:
                st.markdown(missing(study, name))
    return attack


def _lacking(study: engine.Study) -> dict[str, tuple[str, ...]]:
    return attacks_here(study.about["spec"].get("resources"))

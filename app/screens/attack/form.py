"""The form of the attack page: a sentence, its victims, and one attack for all of them."""

from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from prunescope import engine
from prunescope.app.screens.attack import defaults as usual
from prunescope.app.screens.attack.attacks import pick_attack
from prunescope.app.screens.attack.sentence import pick_sentence, sentence, true_label
from prunescope.app.screens.attack.victims import Victim, pick_victims
from prunescope.app.state import address
from prunescope.engine.reading import levels


@dataclass(frozen=True, slots=True)
class Form:
    """What the page asks for."""

    study: engine.Study
    victims: list[Victim]  # the dense one first
    attack: str
    text: str
    truth: int | None  # None: what the dense model says
    label: int  # as picked, or AUTOMATIC
    row: int | None  # of the evaluation set, where the text is one of it
    seed: int
    queries: int | None
    seconds: float | None

    @property
    def has_words(self) -> bool:
        """Whether there is anything to attack."""
        return any(sign.isalnum() for sign in self.text)

    def request(self) -> dict[str, Any]:
        """What every request to a worker names."""
        return {
            "victims": levels.victim_requests(self.victims, self.study),
            "attack": self.attack,
            "seed": self.seed,
            "queries": self.queries,
            "seconds": self.seconds,
        }

    def view(self) -> dict[str, str | None]:
        """What the address carries; a long text that was typed stays out of it."""
        own = usual.budget(self.study)
        budget: dict[str, float] = {
            "seed": self.seed,
            "queries": self.queries or 0,
            "seconds": self.seconds or 0,
        }
        usual_text = usual.text(self.study)
        typed = self.row is None and self.text != usual_text and len(self.text) <= address.SHORT
        return {
            "victims": " ".join(levels.level_id(*victim) for victim in self.victims[1:]),
            "attack": self.attack,
            "row": None if self.row is None else str(self.row),
            "text": self.text if typed else None,
            "label": None if self.label == usual.AUTOMATIC else str(self.label),
            **{
                name: f"{value:.10g}" if value != own[name] else None
                for name, value in budget.items()
            },
        }


def form(study: engine.Study, studies: list[engine.Study]) -> tuple[Form, DeltaGenerator]:
    """Draw the form and read it; (it, the place below the sentence for the page's button)."""
    text = sentence(study)
    below_text = st.container()
    victims = pick_victims(study, studies)
    attack = pick_attack(study)
    pick_sentence(study)
    with st.expander("Label, seed and budget"):
        truth = true_label(study)
        seed, queries, seconds = _budget()
    state = st.session_state
    asked = Form(
        study=study,
        victims=victims,
        attack=attack,
        text=text,
        truth=truth,
        label=state["a-truth"],
        row=state.get("a-row"),
        seed=seed,
        queries=queries,
        seconds=seconds,
    )
    return asked, below_text


def _budget() -> tuple[int, int | None, float | None]:
    """(seed, most queries, most seconds of each victim); None is no limit."""
    left, middle, right = st.columns(3)
    seed = left.number_input("Seed", 0, usual.MOST_SEED, step=1, key="a-seed")
    queries = middle.number_input(
        "Queries",
        0,
        usual.MOST_QUERIES,
        step=10,
        key="a-queries",
        help="For each model; 0 is no limit.",
    )
    seconds = right.number_input(
        "Seconds",
        0.0,
        float(usual.MOST_SECONDS),
        step=5.0,
        key="a-seconds",
        format="%g",
        help="Of each model's own share; 0 is no limit.",
    )
    return int(seed), int(queries) or None, float(seconds) or None

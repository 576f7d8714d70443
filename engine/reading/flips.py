"""Which examples flip between two levels that were measured on the same evaluation set."""

from collections.abc import Sequence

import pandas as pd

from prunescope.engine import ATTACKS, LevelResult, Study
from prunescope.engine.attacks.metrics import WITHSTOOD
from prunescope.engine.reading.levels import level_id

KINDS = {  # how an example fares at the two levels, A and B
    "any": "any",
    "only B breaks": "only {b} fails",
    "only A breaks": "only {a} fails",
    "both break": "both fail",
    "both hold": "both withstand",
    "only A right": "right with {a} only, without attack",
    "only B right": "right with {b} only, without attack",
    "both wrong": "both wrong without attack",
}


def rows(first: LevelResult, second: LevelResult, n: int) -> pd.DataFrame:
    """A table of the evaluation examples: classified correctly or not, and the attack's outcome."""
    right = [set(level.correct) for level in (first, second)]
    attacks = [{record.example: record for record in level.attacks} for level in (first, second)]
    return pd.DataFrame(
        [
            {
                "row": row,
                "A": _state(row, right[0], attacks[0]),
                "B": _state(row, right[1], attacks[1]),
                "words": next((records[row].words for records in attacks if row in records), None),
            }
            for row in range(n)
        ],
        columns=["row", "A", "B", "words"],
    )


def _state(row: int, right: set[int], attacks: dict[int, object]) -> str:
    """What became of an example: "wrong" without attack, the attack's outcome, or "right" where it
    was not attacked.
    """
    outcome = getattr(attacks.get(row), "outcome", None)
    return "wrong" if row not in right or outcome == "skipped" else outcome or "right"


def kind(a: str, b: str) -> str:
    """The one of `KINDS` that two states make; "any" where none of the others fits."""
    if "wrong" in (a, b):
        return "both wrong" if a == b else "only B right" if a == "wrong" else "only A right"
    if "broken" in (a, b):
        return "both break" if a == b else "only B breaks" if b == "broken" else "only A breaks"
    return "both hold" if a in WITHSTOOD and b in WITHSTOOD else "any"


def with_kinds(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the kind of every example."""
    return table.assign(kind=[kind(a, b) for a, b in zip(table["A"], table["B"], strict=True)])


def on_attack(levels: Sequence[tuple[Study, float]], row: int) -> dict[str, str]:
    """The attack page's address for an example: its row, the levels as victims, and the study's
    own attack.
    """
    study = levels[0][0]
    sparse = dict.fromkeys(level_id(*level) for level in levels if level[1])
    view = {"study": study.key[:12], "victims": " ".join(sparse), "row": str(row)}
    return view | ({"attack": study.about["attack"]} if study.about["attack"] in ATTACKS else {})


def same_examples(first: Study, second: Study) -> str | None:
    """Why two studies cannot be compared example by example; None where they can."""
    if first.identity.get("evaluation") == second.identity.get("evaluation"):
        return None
    first_about, second_about = first.about, second.about
    if first_about["data"] != second_about["data"]:
        return (
            f"One was evaluated on {first_about['data']} and the other on {second_about['data']}, "
            "so no example is in both."
        )
    counts = (first_about["counts"]["evaluation"], second_about["counts"]["evaluation"])
    return (
        f"Both were evaluated on {first_about['data']}, but on different examples ({counts[0]} and "
        f"{counts[1]}, seeds {first_about['seed']} "
        f"and {second_about['seed']}); rows of the same number are not the same text."
    )


def same_attack(first: Study, second: Study) -> str | None:
    """Why attack outcomes of two studies cannot be paired; None where they can."""
    if "none" in (first.about["attack"], second.about["attack"]):
        return (
            "At least one of the studies has no attack, so only answers without attack can be "
            "compared."
        )
    first_attack, second_attack = (
        {
            name: value
            for name, value in (study.identity.get("attack") or {}).items()
            if name != "examples"
        }
        for study in (first, second)
    )
    if first_attack == second_attack and first.about["seed"] == second.about["seed"]:
        return None
    if first.about["attack"] != second.about["attack"]:
        return (
            f"One was attacked with {first.about['attack']} and the other with "
            f"{second.about['attack']}."
        )
    return (
        f"Both were attacked with {first.about['attack']}, but in different versions, with "
        "different resources or seeds."
    )

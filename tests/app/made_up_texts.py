"""Studies whose texts are here, and results of made-up attacks."""

from dataclasses import asdict, replace
from typing import Any

from made_up_studies import made_up_study

from prunescope.engine import (
    AttackRecord,
    Rate,
    Study,
    attack_summary,
    bundled_reviews,
    paired_levels,
    word_changes,
)
from prunescope.engine.store import key_of


def with_texts(**more: Any) -> Study:
    """A made-up study on the shipped reviews, whose texts a page can show."""
    study, reviews = made_up_study(**more), bundled_reviews()
    identity = {**study.identity, "evaluation": reviews.fingerprint()}
    counts = {**study.about["counts"], "evaluation": len(reviews)}
    return replace(
        study,
        key=key_of(identity),
        identity=identity,
        about={**study.about, "data": "embedded", "counts": counts},
    )


def attack_result(
    names: tuple[str, ...] = ("Dense", "50%"),
    text: str = "a fine film",
    perturbed: str = "a f1ne film",
    key: str = "0" * 64,
) -> dict[str, Any]:
    """What the worker answers to an attack: the first victim holds, the others break."""
    changes = [[piece.before, piece.after] for piece in word_changes(text, perturbed)]
    side = {
        "study": key,
        "achieved": 0.5,
        "outcome": "broken",
        "queries": 12,
        "words_changed": 1,
        "words": len(changes),
        "truth_before": 0.93,
        "truth_after": 0.21,
        "reason": "",
        "perturbed": perturbed,
        "label_before": 1,
        "label_after": 0,
        "path": [[1, 0.93], [12, 0.21]],
        "changes": changes,
        "similarity": 0.81,
        "tried": 9,
        "words_tried": 2,
        "closest": {"text": perturbed, "truth": 0.61, "changes": changes},
    }
    withstood = {
        **side,
        "outcome": "held",
        "label_after": 1,
        "perturbed": text,
        "changes": [[text, text]],
        "similarity": None,
    }
    words = text.split()
    return {
        "text": text,
        "truth": 1,
        "truth_given": False,
        "attack": "deepwordbug",
        "seed": 0,
        "budget": {"queries": None, "seconds": None},
        "label_names": ["negative", "positive"],
        "notices": [],
        "cut_at": None,
        "sides": [
            {**(side if index else withstood), "name": name, "sparsity": 0.5 * bool(index)}
            for index, name in enumerate(names)
        ],
        "importance": {
            "words": words,
            "falls": {name: [0.1 * index for index in range(len(words))] for name in names},
        },
        "transfer": {
            source: {
                target: {
                    "label": int(target == "Dense"),
                    "truth": 0.6 if target == "Dense" else 0.21,
                }
                for target in names
            }
            for source in names[1:]
        },
        "seconds": 1.5,
    }


def batch_result(
    names: tuple[str, ...] = ("Dense", "50%"), text: str = "a fine film"
) -> dict[str, Any]:
    """What the worker answers to a batch of four, two of which break everywhere, and one on the
    others than the first.
    """
    outcomes = {
        name: ["broken", "broken", "broken" if index else "held", "held"]
        for index, name in enumerate(names)
    }
    records = {
        name: [AttackRecord(row, outcome, 12, 1, 5, 0.9, 0.4) for row, outcome in enumerate(states)]
        for name, states in outcomes.items()
    }
    alike = {"value": 0.9, "n": 2, "low": 0.8, "high": 1.0}
    moved = {"found": 2, "rate": asdict(Rate.of(1, 2)), "errors": 0}
    return {
        "attack": "deepwordbug",
        "seed": 0,
        "budget": {"queries": None, "seconds": None},
        "data": "embedded",
        "label_names": ["negative", "positive"],
        "notices": [],
        "victims": [
            {
                "name": name,
                "study": "0" * 64,
                "sparsity": 0.5 * bool(index),
                **asdict(attack_summary(records[name])),
                "similarity": alike,
            }
            for index, name in enumerate(names)
        ],
        "paired": {
            name: asdict(pair)
            for name, pair in paired_levels(
                records[names[0]], {name: records[name] for name in names[1:]}
            ).items()
        },
        "transfer": {source: {target: moved for target in names} for source in names},  # noqa: C420
        "examples": [
            {
                "row": row,
                "label": 1,
                "text": text,
                "found": {names[0]: text},
                "outcomes": {name: states[row] for name, states in outcomes.items()},
            }
            for row in range(4)
        ],
    }

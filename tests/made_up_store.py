"""A made-up study and its levels, for the tests of the store."""

from typing import Any

from prunescope.engine.records import AttackRecord, LevelResult, Rate, Study
from prunescope.engine.store import key_of

IDENTITY: dict[str, Any] = {
    "schema": 1,
    "victim": "aa",
    "calibration": "bb",
    "held_out": "cc",
    "evaluation": "dd",
    "max_tokens": 64,
    "plan": {
        "method": {"name": "adaptive", "alpha": None, "damping": 0.01},
        "pattern": "unstructured",
    },
    "attack": {"name": "deepwordbug", "examples": [0, 3]},
    "seed": 0,
}

ABOUT: dict[str, Any] = {
    "model": "tiny",
    "data": "Reviews – größer",
    "order": 1,
    "method": "adaptive",
    "pattern": "unstructured",
    "attack": "deepwordbug",
    "seed": 0,
    "label_names": ["bad", "good"],
    "prunable": 16,
    "parameters": 48,
    "spec": {"model": "tiny", "data": "reviews"},
    "counts": {"calibration": 8, "held_out": 2, "evaluation": 4, "attacked": 2},
}


def a_study(**changes: Any) -> Study:
    identity = {**IDENTITY, **changes}
    return Study(key_of(identity), identity, {**ABOUT})


def a_level(sparsity: float = 0.5, hits: int = 2) -> LevelResult:
    return LevelResult(
        sparsity=sparsity,
        achieved=sparsity,
        achieved_model=sparsity / 3,
        acc=Rate.of(hits, 4),
        aua=Rate.of(1, 2),
        asr=Rate.of(0, 0),
        cls_error=0.1 + 0.2,
        layer_errors={"0.query": 1 / 3, "0.output": 5e-324},
        correct=(0, 3),
        attacks=(
            AttackRecord(0, "held", 12, 0, 7, 0.75, 0.5),
            AttackRecord(3, "broken", 5, 2, 9, 0.9, 0.1),
        ),
        layers=({"layer": "0.query", "weights": 16, "zeros": 8, "damping": 0.01},),
        packed_bytes=34,
        dense_bytes=64,
        seconds={"prune": 1.5, "attack": 2.25},
    )

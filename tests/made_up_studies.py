"""A made-up study: fixed records, no model behind them."""

from pathlib import Path
from typing import Any

from prunescope.engine import MODULES, AttackRecord, LevelResult, Rate, Store, Study
from prunescope.engine.store import key_of


def level(sparsity: float, attacked: int = 20) -> LevelResult:
    """A level whose numbers get worse with sparsity in a plain way."""
    right, broken = round(90 - 40 * sparsity), round(attacked * (0.4 + 0.4 * sparsity))
    attacks = tuple(
        AttackRecord(i, "broken" if i < broken else "held", 10 + i, 1, 9, 0.9, 0.4)
        for i in range(attacked)
    )
    return LevelResult(
        sparsity=sparsity,
        achieved=sparsity,
        achieved_model=sparsity / 2,
        acc=Rate.of(right, 100),
        aua=Rate.of(attacked - broken, attacked) if attacked else None,
        asr=Rate.of(broken, attacked) if attacked else None,
        cls_error=sparsity**2,
        layer_errors={f"{b}.{m}": sparsity**2 * (b + 1) / 10 for b in range(3) for m in MODULES},
        correct=tuple(range(right)),
        attacks=attacks,
        layers=(),
        packed_bytes=int(40_000_000 * (1 - sparsity)) + 1_250_000,
        dense_bytes=40_000_000,
    )


def made_up_study(
    levels: tuple[float, ...] = (0.0, 0.4, 0.5, 0.9), attacked: int = 20, **about: Any
) -> Study:
    identity = {
        "made": "up",
        "levels": list(levels),
        "method": {},
        "calibration": "",
        "attacked": attacked,
    }
    told = {
        "model": "Tiny",
        "data": "made-up",
        "method": "adaptive",
        "pattern": "unstructured",
        "attack": "deepwordbug" if attacked else "none",
        "seed": 0,
        "label_names": ["negative", "positive"],
        "counts": {"calibration": 8, "held_out": 2, "evaluation": 100, "attacked": attacked},
        "prunable": 10_000_000,
        "parameters": 20_000_000,
        "spec": {"model": "embedded", "data": "embedded"},
        **about,
    }
    return Study(key_of(identity), identity, told, tuple(level(s, attacked) for s in levels))


def save(root: Path, study: Study) -> Study:
    store = Store(root)
    store.save_study(study)
    for one in study.levels:
        store.save_level(study, one)
    return study

"""Measure one level of a study: prune, evaluate, compare layer by layer, attack, save."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TypeVar

from prunescope.engine.attacks.metrics import attack_notices, attack_rates
from prunescope.engine.evaluation.latency import machine_of
from prunescope.engine.evaluation.measure import (
    Predictions,
    above_chance,
    accuracy,
    below_chance,
    layer_errors,
    read,
    relative_error,
)
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.patterns import check_sparsity
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.records import AttackRecord, LevelResult
from prunescope.engine.store import Store, level_key
from prunescope.engine.studies.attack import attack_level
from prunescope.engine.studies.prepare import PreparedStudy
from prunescope.engine.studies.pruned import TUNING_SHARE, pruned_at
from prunescope.engine.training.recovery_spec import recovery_of

Result = TypeVar("Result")
# of a level's time, roughly as measured with the embedded victim
SHARES: dict[str, float] = {"prune": 6, "evaluate": 1, "layer errors": 1, "attack": 12}


def shares_of(prepared: PreparedStudy) -> dict[str, float]:
    """The shares of a level's time, less the attack where there is none, and with the tuning."""
    tuning = 0 if recovery_of(prepared.spec) is None else TUNING_SHARE
    attack = 0 if prepared.spec.attack == "none" else SHARES["attack"]
    return SHARES | {"prune": SHARES["prune"] * (1 + tuning), "attack": attack}


def measure_level(
    prepared: PreparedStudy, sparsity: float, store: Store, report: Progress = SILENT
) -> LevelResult:
    """One level, from the store or measured now.

    An attack that was cut short goes on at the next example.
    """
    sparsity = check_sparsity(sparsity) + 0.0  # 0 and -0.0 are 0.0, in the key and in the bytes
    if (level := store.level(prepared.study, sparsity)) is not None:
        return level
    with store.computing(level_key(prepared.study.identity, sparsity), report=report):
        if (level := _saved_meanwhile(prepared, sparsity, store)) is not None:
            return level
        level = _measure(prepared, sparsity, store, report)
        store.save_level(prepared.study, level)
        return level


def _saved_meanwhile(prepared: PreparedStudy, sparsity: float, store: Store) -> LevelResult | None:
    """A level that another process measured, or the dense level of a study that shares it."""
    if (level := store.level(prepared.study, sparsity)) is not None:
        return level
    if sparsity == 0 and (twin := store.twin(prepared.study, 0.0)) is not None:
        store.save_level(prepared.study, twin)
        return twin
    return None


def _measure(
    prepared: PreparedStudy, sparsity: float, store: Store, report: Progress
) -> LevelResult:
    seconds, parts = dict[str, float](), report.parts(shares_of(prepared))
    pruned = _timed(seconds, "prune", lambda: pruned_at(prepared, sparsity, store, parts["prune"]))
    # the level may have waited in the cache since a pass over many levels, or been attacked ahead
    seconds |= prepared.seconds.get(sparsity, {})
    reading = _timed(
        seconds, "evaluate", lambda: read(pruned.victim, prepared.evaluation, parts["evaluate"])
    )
    if prepared.dense is None:  # level 0 is the dense model
        prepared.dense = read(prepared.victim, prepared.evaluation) if sparsity else reading
    text = prepared.held_out
    errors = layer_errors(
        prepared.victim, pruned.victim, text.texts, text.pairs, parts["layer errors"]
    )
    ahead = seconds.pop("attack", 0.0)
    attacks = _timed(
        seconds, "attack", lambda: attack_level(prepared, pruned, store, parts["attack"])
    )
    seconds["attack"] = round(seconds["attack"] + ahead, 3)
    return _result(prepared, prepared.dense, pruned, reading, errors, attacks, seconds)


def _result(
    prepared: PreparedStudy,
    dense: Predictions,
    pruned: Pruned,
    reading: Predictions,
    errors: dict[str, float],
    attacks: tuple[AttackRecord, ...],
    seconds: dict[str, float],
) -> LevelResult:
    labels, layers = prepared.evaluation.labels, pruned.layers
    aua, asr = attack_rates(attacks) if attacks else (None, None)
    acc = accuracy(reading, labels)
    doubts = () if pruned.sparsity else below_chance(acc, prepared.victim.num_labels)
    zeros = sum(layer.zeros for layer in layers)
    return LevelResult(
        sparsity=pruned.sparsity,
        achieved=pruned.achieved,
        achieved_model=zeros / prepared.study.about["parameters"],
        acc=acc,
        aua=aua,
        asr=asr,
        cls_error=relative_error(dense.cls, reading.cls),
        layer_errors=errors,
        correct=reading.correct(labels),
        attacks=attacks,
        layers=tuple(asdict(layer) for layer in layers),
        packed_bytes=sum(
            4 * (layer.weights - layer.zeros) + -(-layer.weights // 8) for layer in layers
        ),
        dense_bytes=4 * sum(layer.weights for layer in layers),
        notices=(*prepared.notices, *doubts, *pruned.notices, *attack_notices(attacks)),
        seconds=seconds,
        machine=machine_of(prepared.victim.device),
        above_chance=above_chance(reading, labels),
    )


def _timed(seconds: dict[str, float], name: str, work: Callable[[], Result]) -> Result:
    start = time.perf_counter()
    result = work()
    seconds[name] = round(time.perf_counter() - start, 3)
    return result

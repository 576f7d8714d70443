"""The identity of a study, which decides its result, and its description for people."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunescope.engine.attacks.attempt import Budget
from prunescope.engine.attacks.recipes import attack_identity, used_resources
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.data import Examples
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.plan import Plan
from prunescope.engine.records import StudySpec
from prunescope.engine.store import SCHEMA
from prunescope.engine.studies.examples import RULE
from prunescope.engine.training.recovery_spec import recovery_of

# Settings that came in December 2026, with their defaults: at those, a study is written as before.
LATER = {"calibration_data": "", "recover": "off"}


@dataclass(frozen=True, slots=True)
class StudyData:
    """The examples of a study, pairwise disjoint by text."""

    name: str
    label_names: tuple[str, ...]
    calibration: Examples
    held_out: Examples
    evaluation: Examples
    attacked: tuple[int, ...]  # rows of `evaluation`
    own: int  # of the calibration texts, the first, which are not of further files


def budget_of(spec: StudySpec) -> Budget:
    """What one attack may spend."""
    return Budget(spec.max_queries, spec.max_seconds)


def study_identity(spec: StudySpec, plan: Plan, data: StudyData, victim: Victim) -> dict[str, Any]:
    """Everything that decides the result of a study; its key is the hash of it."""
    # They enter where they are used, so that other studies keep their keys
    adding = {"adding": RULE} if data.own < len(data.calibration) else {}
    recovery = recovery_of(spec)
    tuning = {} if recovery is None else {"recovery": recovery.identity()}
    return {
        "schema": SCHEMA,
        "victim": victim.fingerprint,
        "calibration": data.calibration.fingerprint(),
        "held_out": data.held_out.fingerprint(),
        "evaluation": data.evaluation.fingerprint(),
        "max_tokens": victim.max_tokens,
        "plan": plan.identity(),
        "attack": _attack_identity(spec, data.attacked),
        "seed": spec.seed,
        **adding,
        **tuning,
    }


def _attack_identity(spec: StudySpec, attacked: Sequence[int]) -> dict[str, Any] | None:
    if spec.attack == "none":
        return None
    budget = budget_of(spec)
    return {
        **attack_identity(spec.attack, find_resources(spec.resources)),
        "examples": list(attacked),
        **({} if budget == Budget() else {"budget": asdict(budget)}),
    }


def study_about(spec: StudySpec, plan: Plan, data: StudyData, victim: Victim) -> dict[str, Any]:
    """The description of a study beside its figures: names, counts, settings."""
    resources = find_resources(spec.resources)
    settings = {
        name: value
        for name, value in asdict(spec).items()
        if name not in ("levels", "device") and (name not in LATER or value != LATER[name])
    }
    tuning = {} if recovery_of(spec) is None else {"recover": spec.recover}
    lengths = _token_counts(victim, data.evaluation)
    files = [Path(file).name for file in spec.further_files]
    further = {"calibration_data": files} if data.own < len(data.calibration) else {}
    return {
        "model": victim.name,
        "data": data.name,
        "method": spec.method,
        "pattern": spec.pattern,
        "allocation": plan.allocation,
        "layers": spec.layers,
        "precision": spec.precision,
        **tuning,
        "attack": spec.attack,
        "resources": {} if spec.attack == "none" else used_resources(spec.attack, resources),
        "seed": spec.seed,
        "label_names": list(data.label_names or victim.label_names),
        "counts": {
            "calibration": len(data.calibration),
            "held_out": len(data.held_out),
            "evaluation": len(data.evaluation),
            "attacked": len(data.attacked),
        },
        "calibration_tokens": sum(_token_counts(victim, data.calibration)),
        **further,
        "at_limit": sum(length >= victim.max_tokens for length in lengths),
        "max_tokens": victim.max_tokens,
        "prunable": sum(weight.numel() for weight in victim.prunable().values()),
        "parameters": sum(parameter.numel() for parameter in victim.model.parameters()),
        "spec": settings,
    }


def _token_counts(victim: Victim, examples: Examples) -> list[int]:
    return [len(ids) for ids in victim.encode(examples.texts, examples.pairs)["input_ids"]]

"""PruneScope's engine: robustness–sparsity trade-offs of language models.

The names below are the public ones. They are resolved on first use, so importing the engine imports neither torch nor
transformers: a page that only reads stored studies stays light.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ATTACKS": "engine.names",
    "AttackRecord": "engine.records",
    "AttackSummary": "engine.attacks.metrics",
    "Comparison": "engine.evaluation.latency",
    "DataError": "engine.errors",
    "Evaluated": "engine.judged",
    "InputError": "engine.errors",
    "Job": "engine.jobs",
    "LEVELS": "engine.records",
    "Latency": "engine.evaluation.latency",
    "LevelResult": "engine.records",
    "MadeAverage": "engine.judged",
    "MemberSet": "engine.judged",
    "METHODS": "engine.pruning.methods",
    "MODULES": "engine.names",
    "Mean": "engine.attacks.metrics",
    "ModelError": "engine.errors",
    "PackedSize": "engine.packed_size",
    "Paired": "engine.attacks.metrics",
    "Plan": "engine.pruning.plan",
    "PruneScopeError": "engine.errors",
    "Pruned": "engine.pruning.plan",
    "Rate": "engine.records",
    "Metric": "engine.evaluation.metric",
    "Store": "engine.store",
    "Study": "engine.records",
    "StudySpec": "engine.records",
    "SubnetworkRun": "engine.subnetworks.figures",
    "SubnetworkTable": "engine.subnetworks.figures",
    "Victim": "engine.models.victim",
    "Workbench": "engine.jobs",
    "attack_summary": "engine.attacks.metrics",
    "bundled_reviews": "engine.reviews",
    "compare_latency": "engine.evaluation.latency",
    "export_model": "engine.export",
    "load_dataset": "engine.data",
    "load_victim": "engine.models.victim",
    "measure_latency": "engine.evaluation.latency",
    "member_sets": "engine.judged",
    "open_packed": "engine.packed",
    "paired_attack": "engine.attacks.metrics",
    "paired_difference": "engine.evaluation.metric",
    "paired_levels": "engine.attacks.metrics",
    "prune": "engine.pruning.pipeline",
    "prune_levels": "engine.pruning.pipeline",
    "run_study": "engine.study",
    "save_packed": "engine.packed",
    "subnetwork_tables": "engine.subnetworks.figures",
    "unpack_folder": "engine.export",
    "word_changes": "engine.attacks.changes",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'engine' has no public name {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__

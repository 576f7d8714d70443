"""PruneScope's engine: robustness–sparsity trade-offs of language models.

The names below are the public ones. They are resolved on first use, so importing the engine imports neither torch nor
transformers: a page that only reads stored studies stays light.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ATTACKS": "engine.names",
    "Alternative": "engine.alternatives.records",
    "AlternativesTable": "engine.alternatives.records",
    "AttackRecord": "engine.records",
    "AttackSummary": "engine.attacks.metrics",
    "Comparison": "engine.evaluation.latency",
    "DATA_TITLES": "engine.naming",
    "DataError": "engine.errors",
    "Estimate": "engine.queue.estimate",
    "Evaluated": "engine.training.records",
    "Examples": "engine.data",
    "InputError": "engine.errors",
    "Job": "engine.jobs",
    "JobQueue": "engine.queue.queue",
    "JobRow": "engine.queue.rows",
    "LEVELS": "engine.records",
    "Latency": "engine.evaluation.latency",
    "LevelResult": "engine.records",
    "Look": "engine.jobs",
    "METHODS": "engine.pruning.methods",
    "MODULES": "engine.names",
    "MadeAverage": "engine.training.records",
    "Mean": "engine.attacks.metrics",
    "MemberSet": "engine.training.records",
    "Metric": "engine.evaluation.metric",
    "ModelError": "engine.errors",
    "PackedSize": "engine.packed_size",
    "Paired": "engine.attacks.metrics",
    "Plan": "engine.pruning.plan",
    "PruneScopeError": "engine.errors",
    "Pruned": "engine.pruning.plan",
    "Rate": "engine.records",
    "SafeSparsity": "engine.evaluation.safety",
    "SettingError": "engine.errors",
    "Store": "engine.store",
    "Study": "engine.records",
    "StudyName": "engine.naming",
    "StudyRow": "engine.store.listing",
    "StudySpec": "engine.records",
    "SubnetworkRun": "engine.subnetworks.figures",
    "SubnetworkTable": "engine.subnetworks.figures",
    "Timed": "engine.timings",
    "Unfinished": "engine.queue.unfinished",
    "Victim": "engine.models.victim",
    "Workbench": "engine.jobs",
    "alternative_tables": "engine.alternatives.records",
    "attack_summary": "engine.attacks.metrics",
    "attack_title": "engine.naming",
    "attacks_here": "engine.attacks.recipes",
    "bundled_reviews": "engine.reviews",
    "clean_store": "engine.store.keeping",
    "compare_latency": "engine.evaluation.latency",
    "counted": "engine.names",
    "data_title": "engine.naming",
    "doubts": "engine.evaluation.safety",
    "estimate": "engine.queue.estimate",
    "evaluation_texts": "engine.evaluation_rows",
    "export_model": "engine.export",
    "full_names": "engine.naming",
    "guesses": "engine.attacks.metrics",
    "import_study": "engine.store.exchange",
    "last_safe": "engine.evaluation.safety",
    "load_dataset": "engine.data",
    "load_victim": "engine.models.victim",
    "mcnemar": "engine.attacks.metrics",
    "measure_latency": "engine.evaluation.latency",
    "member_sets": "engine.training.kept",
    "method_title": "engine.naming",
    "open_packed": "engine.packed",
    "packed_study": "engine.store.exchange",
    "paired_attack": "engine.attacks.metrics",
    "paired_difference": "engine.evaluation.metric",
    "paired_levels": "engine.attacks.metrics",
    "pin_study": "engine.store.keeping",
    "prune": "engine.pruning.pipeline",
    "prune_levels": "engine.pruning.pipeline",
    "remove_study": "engine.store.keeping",
    "run_study": "engine.study",
    "save_packed": "engine.packed",
    "short": "engine.names",
    "short_names": "engine.naming",
    "spelled_out": "engine.names",
    "store_sizes": "engine.store.keeping",
    "study_names": "engine.naming",
    "study_rows": "engine.store.listing",
    "subnetwork_tables": "engine.subnetworks.figures",
    "timed_levels": "engine.timings",
    "unfinished": "engine.queue.unfinished",
    "unpack_folder": "engine.export",
    "usual_allocation": "engine.naming",
    "visible": "engine.names",
    "word_changes": "engine.attacks.changes",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'engine' has no public name {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__

"""PruneScope's engine: robustness–sparsity trade-offs of language models.

The names below are the public ones. They are resolved on first use, so importing the engine imports
neither torch nor transformers: a page that only reads stored studies stays light.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ATTACKS": "prunescope.engine.attacks.catalogue",
    "AttackRecord": "prunescope.engine.records",
    "AttackSnapshot": "prunescope.engine.live.client",
    "AttackSummary": "prunescope.engine.attacks.metrics",
    "Baseline": "prunescope.engine.baselines.records",
    "BaselineTable": "prunescope.engine.baselines.records",
    "Comparison": "prunescope.engine.evaluation.latency",
    "DATA_TITLES": "prunescope.engine.reading.titles",
    "DataError": "prunescope.engine.errors",
    "Estimate": "prunescope.engine.studies.estimate",
    "Evaluated": "prunescope.engine.training.records",
    "Examples": "prunescope.engine.data",
    "InputError": "prunescope.engine.errors",
    "JobQueue": "prunescope.engine.jobs.queue",
    "JobRow": "prunescope.engine.jobs.rows",
    "LEVELS": "prunescope.engine.records",
    "Latency": "prunescope.engine.evaluation.latency",
    "LevelResult": "prunescope.engine.records",
    "LiveJob": "prunescope.engine.live.client",
    "METHODS": "prunescope.engine.pruning.methods",
    "MODULES": "prunescope.engine.records",
    "MadeAverage": "prunescope.engine.training.records",
    "MemberSet": "prunescope.engine.training.records",
    "ModelError": "prunescope.engine.errors",
    "PackedSize": "prunescope.engine.export.packed_size",
    "Paired": "prunescope.engine.attacks.metrics",
    "Plan": "prunescope.engine.pruning.plan",
    "PruneScopeError": "prunescope.engine.errors",
    "Pruned": "prunescope.engine.pruning.plan",
    "Rate": "prunescope.engine.records",
    "SafeSparsity": "prunescope.engine.reading.safety",
    "SettingError": "prunescope.engine.errors",
    "Statistic": "prunescope.engine.evaluation.statistics",
    "Store": "prunescope.engine.store",
    "Study": "prunescope.engine.records",
    "StudyName": "prunescope.engine.reading.names",
    "StudyRow": "prunescope.engine.store.listing",
    "StudySpec": "prunescope.engine.records",
    "SubnetworkRun": "prunescope.engine.subnetworks.figures",
    "SubnetworkTable": "prunescope.engine.subnetworks.figures",
    "Timed": "prunescope.engine.studies.timings",
    "Unfinished": "prunescope.engine.jobs.unfinished",
    "Victim": "prunescope.engine.models.victim",
    "Workbench": "prunescope.engine.live.client",
    "attack_summary": "prunescope.engine.attacks.metrics",
    "attack_title": "prunescope.engine.reading.titles",
    "attacks_here": "prunescope.engine.attacks.recipes",
    "baseline_tables": "prunescope.engine.baselines.records",
    "bundled_reviews": "prunescope.engine.data.reviews",
    "clean_store": "prunescope.engine.store.keeping",
    "compare_latency": "prunescope.engine.evaluation.latency",
    "data_title": "prunescope.engine.reading.titles",
    "doubts": "prunescope.engine.reading.safety",
    "estimate": "prunescope.engine.studies.estimate",
    "evaluation_texts": "prunescope.engine.studies.examples",
    "export_model": "prunescope.engine.export.folder",
    "full_name": "prunescope.engine.reading.names",
    "full_names": "prunescope.engine.reading.names",
    "holm": "prunescope.engine.evaluation.statistics",
    "import_study": "prunescope.engine.store.exchange",
    "is_collapsed": "prunescope.engine.evaluation.collapse",
    "labelled": "prunescope.engine.config.study",
    "last_safe": "prunescope.engine.reading.safety",
    "load_dataset": "prunescope.engine.data",
    "load_victim": "prunescope.engine.models.victim",
    "mcnemar": "prunescope.engine.evaluation.statistics",
    "measure_latency": "prunescope.engine.evaluation.latency",
    "member_sets": "prunescope.engine.training.stored",
    "method_title": "prunescope.engine.reading.titles",
    "open_packed": "prunescope.engine.models.packed",
    "packed_study": "prunescope.engine.store.exchange",
    "paired_attack": "prunescope.engine.attacks.metrics",
    "paired_difference": "prunescope.engine.evaluation.statistics",
    "paired_levels": "prunescope.engine.attacks.metrics",
    "pin_study": "prunescope.engine.store.keeping",
    "pluralize": "prunescope.engine.formatting",
    "prune": "prunescope.engine.pruning.pipeline",
    "prune_levels": "prunescope.engine.pruning.pipeline",
    "remove_study": "prunescope.engine.store.keeping",
    "run_study": "prunescope.engine.studies.run",
    "save_packed": "prunescope.engine.export.packed",
    "settings_of": "prunescope.engine.config.describe",
    "short": "prunescope.engine.formatting",
    "short_names": "prunescope.engine.reading.names",
    "spelled_out": "prunescope.engine.formatting",
    "store_sizes": "prunescope.engine.store.keeping",
    "study_names": "prunescope.engine.reading.names",
    "study_title": "prunescope.engine.reading.names",
    "study_rows": "prunescope.engine.store.listing",
    "subnetwork_tables": "prunescope.engine.subnetworks.figures",
    "timed_levels": "prunescope.engine.studies.timings",
    "unfinished": "prunescope.engine.jobs.unfinished",
    "unpack_folder": "prunescope.engine.export.folder",
    "usual_allocation": "prunescope.engine.reading.titles",
    "visible": "prunescope.engine.formatting",
    "word_changes": "prunescope.engine.attacks.word_diff",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'engine' has no public name {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__

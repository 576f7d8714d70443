"""How far [CLS] moves from the dense model's, block by block, on clean texts and on those that
break the dense model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.engine.attacks.cached_run import attack_cached
from prunescope.engine.attacks.terms import KeyedVictim
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.evaluation.inside import cls_distances, read_inside
from prunescope.engine.evaluation.statistics import Statistic, bootstrap_mean
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies.identity import budget_of
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.pruned import pruned_at

KINDS = ("clean", "adversarial")


@dataclass(frozen=True, slots=True)
class Distances:
    """One pruned level on one kind of text: after every block the mean over the texts, with its
    bootstrap interval.
    """

    sparsity: float
    text: str  # one of KINDS
    cosine: tuple[Statistic, ...]  # 1 − cos, block by block
    euclidean: tuple[Statistic, ...]  # ‖a − b‖₂


def measure_distances(
    spec: StudySpec, store: Store, report: Progress = SILENT
) -> tuple[int, int, list[Distances]]:
    """Attack the dense model, and measure every level above 0 on the texts that break it.

    Returns (number of texts attacked, number that break the dense model, distances). Every level
    reads the same texts, clean and adversarial. Raises SettingError without an attack, DataError
    for pairs and where no text breaks the dense model.
    """
    if spec.attack == "none":
        raise SettingError("Adversarial texts need an attack; choose one with `attack`.")
    prepared = prepare(spec, report)
    if prepared.evaluation.pairs is not None:
        raise DataError(
            f"{prepared.study.about['data']} holds pairs; distances are of single texts."
        )
    dense, levels = prepared.victim, sorted({level for level in spec.levels if level})
    parts = report.parts({"attack": 2, "levels": len(levels)})
    attacked = attack_cached(
        {"dense": KeyedVictim(dense, dense.fingerprint)},
        spec.attack,
        prepared.evaluation,
        prepared.attacked,
        spec.seed,
        store,
        parts["attack"],
        spec.resources,
        budget_of(spec),
    )["dense"]
    broken = [text for text in attacked if text.record.outcome == "broken"]
    if not broken:
        raise DataError(
            f"{spec.attack} breaks none of {len(attacked)} texts on {dense.name}; raise "
            "`attack_examples`."
        )
    texts = {
        "clean": [text.original for text in broken],
        "adversarial": [text.perturbed for text in broken],
    }
    dense_embeddings = {
        kind: [read_inside(dense, text).cls for text in texts[kind]] for kind in KINDS
    }
    distances = []
    for level, part in parts["levels"].each(levels, label=lambda level: f"{100 * level:g}%"):
        victim = pruned_at(prepared, level, store, part).victim
        for kind in KINDS:
            each = [
                cls_distances(dense_cls, read_inside(victim, text).cls)
                for dense_cls, text in zip(dense_embeddings[kind], texts[kind], strict=True)
            ]
            euclidean, cosine = (
                tuple(map(bootstrap_mean, _by_block([pair[index] for pair in each])))
                for index in (0, 1)
            )
            distances.append(Distances(level, kind, cosine, euclidean))
    report.finish()
    return len(attacked), len(broken), distances


def _by_block(each: Sequence[Sequence[float]]) -> list[list[float]]:
    """For every block the values of all texts, without the embeddings before the first block."""
    return [[values[block] for values in each] for block in range(1, len(each[0]))]

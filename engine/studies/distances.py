"""How far [CLS] moves from the dense model's, block by block, on clean texts and on those that
break the dense model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.engine.attacks.attempt import Budget
from prunescope.engine.attacks.cached_run import Side, attack_kept
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.evaluation.inside import cls_distances, read_inside
from prunescope.engine.evaluation.statistics import Statistic, bootstrap_mean
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies.study import prepare, pruned_at

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
    """(texts attacked, texts that break the dense model, distances of every level above 0 on these
    texts, clean and adversarial).

    The texts are those of the attacked rows with which the attack breaks the dense model; every
    level reads the same. Raises SettingError without an attack, DataError for pairs and where
    nothing is broken.
    """
    if spec.attack == "none":
        raise SettingError("Adversarial texts need an attack; choose one with --attack.")
    prepared = prepare(spec, report)
    if prepared.evaluation.pairs is not None:
        raise DataError(
            f"{prepared.study.about['data']} holds pairs; distances are of single texts."
        )
    dense, levels = prepared.victim, sorted({level for level in spec.levels if level})
    parts = report.parts({"attack": 2, "levels": len(levels)})
    found = attack_kept(
        {"dense": Side(dense, dense.fingerprint)},
        spec.attack,
        prepared.evaluation,
        prepared.attacked,
        spec.seed,
        store,
        parts["attack"],
        spec.resources,
        Budget(spec.max_queries, spec.max_seconds),
    )["dense"]
    broken = [text for text in found if text.record.outcome == "broken"]
    if not broken:
        raise DataError(
            f"{spec.attack} breaks none of {len(found)} texts on {dense.name}; attack more with "
            "--attack-examples."
        )
    texts = {
        "clean": [one.original for one in broken],
        "adversarial": [one.perturbed for one in broken],
    }
    before = {kind: [read_inside(dense, text).cls for text in texts[kind]] for kind in KINDS}
    rows = []
    for level, part in parts["levels"].each(levels, label=lambda level: f"{100 * level:g}%"):
        victim = pruned_at(prepared, level, store, part).victim
        for kind in KINDS:
            each = [
                cls_distances(one, read_inside(victim, text).cls)
                for one, text in zip(before[kind], texts[kind], strict=True)
            ]
            euclidean, cosine = (
                tuple(map(bootstrap_mean, _by_block([one[way] for one in each]))) for way in (0, 1)
            )
            rows.append(Distances(level, kind, cosine, euclidean))
    report("done", 1, 1)
    return len(found), len(broken), rows


def _by_block(each: Sequence[Sequence[float]]) -> list[list[float]]:
    """For every block the values of all texts; the embeddings before the first block are left out."""
    return [[one[block] for one in each] for block in range(1, len(each[0]))]

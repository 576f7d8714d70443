"""How long a study will take, by what like studies in the store took. Light to import."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from engine.records import StudySpec
from engine.store.listing import StudyRow

LOADING = 8.0  # seconds to load libraries, model and data, measured with the embedded victim


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds for a whole study, and what they rest on; `seconds` is None where nothing like it was measured."""

    seconds: float | None
    studies: int  # like studies behind the estimate
    levels: int  # measured levels behind it
    about: str  # in words


def estimate(spec: StudySpec, rows: Sequence[StudyRow]) -> Estimate:
    """Medians of measured seconds, scaled by the counts: pruning by the pruned levels and the calibration sentences, evaluation
    by levels and examples, attacks by levels and attacked examples. The studies are those of the same model; for pruning of the
    same method too, for attacks of the same attack.

    Seconds were measured where a study ran; another machine takes others. Levels that are stored already take none.
    """
    same = [row for row in rows if row.about["spec"]["model"] == spec.model]
    pruning = [(row, "prune", "calibration") for row in same if row.about["method"] == spec.method]
    reading = [(row, "evaluate", "evaluation") for row in same]
    attacking = [(row, "attack", "attacked") for row in same if row.about["attack"] == spec.attack != "none"]
    sparse = sum(level > 0 for level in spec.levels)
    parts = [(pruning, sparse * spec.calibration), (reading, len(spec.levels) * spec.eval_examples)]
    if spec.attack != "none":
        parts.append((attacking, len(spec.levels) * spec.attack_examples))
    total, used, levels = LOADING, set[str](), 0
    for like, units in parts:
        found = [(row.key, level["seconds"][name] / row.about["counts"][count])
                 for row, name, count in like if row.about["counts"][count]
                 for level in row.levels if level["seconds"].get(name) and (level["sparsity"] or name != "prune")]  # fmt: skip
        if units and not found:
            return Estimate(None, 0, 0, "No like study was measured, so there is no estimate.")
        total += units * median([each for _, each in found]) if units else 0.0
        used |= {key for key, _ in found}
        levels = max(levels, len(found))
    names = f"{len(used)} stor{'ed study' if len(used) == 1 else 'ed studies'} of this model, up to {levels} levels"
    return Estimate(total, len(used), levels, f"By the measured times of {names}; another machine takes others.")

"""How long a study will take, estimated from similar studies in the store. Light to import."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from prunescope.engine.pruning.methods import canonical_name
from prunescope.engine.records import StudySpec
from prunescope.engine.store.listing import StudyRow

LOADING = 8.0  # seconds to load libraries, model and data, measured with the embedded victim


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds for a whole study, and the measurements behind them; `seconds` is None where no
    similar study was measured.
    """

    seconds: float | None
    studies: int  # similar studies behind the estimate
    levels: int  # their measured levels
    about: str  # a sentence


def estimate(spec: StudySpec, rows: Sequence[StudyRow]) -> Estimate:
    """The time of the levels that are not stored yet, by the times of stored studies.

    Medians of measured seconds are scaled: pruning by pruned levels and calibration sentences,
    evaluation by levels and examples, attacks by levels and attacked examples. Studies of the same
    model count; for pruning they must share the method, for attacks the attack. Those of the same
    data are preferred. Times of another machine differ.
    """
    levels_left = _missing_levels(spec, rows)
    here = [row for row in rows if _same_data(spec, row)]
    evaluation = _available(here, "evaluation", "eval_examples", spec.eval_examples)
    attacked = min(evaluation, spec.attack_examples)
    same = [row for row in rows if row.about["spec"].get("model") == spec.model]
    method = canonical_name(spec.method)
    pruning = [
        (row, "prune", "calibration")
        for row in same
        if canonical_name(row.about["method"]) == method
    ]
    reading = [(row, "evaluate", "evaluation") for row in same]
    attacking = [
        (row, "attack", "attacked") for row in same if row.about["attack"] == spec.attack != "none"
    ]
    sparse = sum(level > 0 for level in levels_left)
    parts = [
        (pruning, sparse * _available(here, "calibration", "calibration", spec.calibration)),
        (reading, len(levels_left) * evaluation),
    ]
    if spec.attack != "none":
        parts.append((attacking, len(levels_left) * attacked))
    total, used, levels = LOADING, set[str](), 0
    for every, units in parts:
        like = [
            source for source in every if _same_data(spec, source[0])
        ] or every  # texts of one data set are of like length
        times = [
            (row.key, level["seconds"][name] / row.about["counts"][count])
            for row, name, count in like
            if row.about["counts"][count]
            for level in row.levels
            if level["seconds"].get(name) and (level["sparsity"] or name != "prune")
        ]
        if units and not times:
            return Estimate(None, 0, 0, "No similar study was measured, so there is no estimate.")
        total += units * median([each for _, each in times]) if units else 0.0
        used |= {key for key, _ in times}
        levels = max(levels, len(times))
    names = (
        f"{len(used)} stor{'ed study' if len(used) == 1 else 'ed studies'} of this model, up "
        f"to {levels} levels"
    )
    return Estimate(
        total, len(used), levels, f"By the measured times of {names}; another machine takes others."
    )


def _missing_levels(spec: StudySpec, rows: Sequence[StudyRow]) -> list[float]:
    """The levels that no study with the same settings has yet."""
    settings = {
        name: value for name, value in asdict(spec).items() if name not in ("levels", "device")
    }
    stored = {
        level["sparsity"] for row in rows if row.about["spec"] == settings for level in row.levels
    }
    return [level for level in spec.levels if level not in stored]


def _same_data(spec: StudySpec, row: StudyRow) -> bool:
    """Bundled studies of a local copy know its name alone."""
    data = row.about["spec"].get("data")
    return bool(data == spec.data or (data is None and row.about["data"] == Path(spec.data).name))


def _available(here: Sequence[StudyRow], count: str, setting: str, requested: int) -> int:
    """How many examples a study gets that requests so many.

    A study of the same data that got fewer than it requested shows how many there are.
    """
    counts = [(row.about["counts"][count], row.about["spec"].get(setting, 0)) for row in here]
    return min([requested, *(int(got) for got, asked_for in counts if got < asked_for)])

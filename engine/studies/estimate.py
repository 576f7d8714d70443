"""How long a study will take, estimated from similar studies in the store. Light to import."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from prunescope.engine.formatting import pluralize
from prunescope.engine.pruning.methods import canonical_name, stored_name
from prunescope.engine.records import StudySpec
from prunescope.engine.store.listing import StudyRow
from prunescope.engine.training.recovery_spec import recovery_of

if TYPE_CHECKING:  # it reads data, and an estimate need not
    from prunescope.engine.studies.preview import StudyPreview

LOADING = 8.0  # seconds to load libraries, model and data, measured with the embedded victim
# Seconds an example go with the tokens of an example to this power: a query reads all of them, and
# an attack asks more of longer texts. Fitted to the shipped studies, 14 to 123 tokens an example.
BY_TOKENS = {"prune": 1.0, "evaluate": 1.0, "attack": 1.5}
COUNTED = {"prune": "calibration", "evaluate": "evaluation", "attack": "attacked"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds for a whole study, and the measurements behind them; `seconds` is None where no
    similar study was measured.
    """

    seconds: float | None
    studies: int  # similar studies behind the estimate
    levels: int  # their measured levels
    about: str  # a sentence
    here: bool = False  # whether all of them are this user's own


@dataclass(frozen=True, slots=True)
class Workload:
    """What a study has to do, as far as it is known before it starts."""

    prune: int  # calibration texts, times pruned levels
    evaluate: int  # evaluated examples, times levels, and what else is read as those are
    attack: int  # attacked examples, times levels
    tokens: float | None  # of an example
    prunable: int | None  # weights


def estimate(
    spec: StudySpec, rows: Sequence[StudyRow], preview: "StudyPreview | None" = None
) -> Estimate:
    """The time of the levels that are not stored yet, by the times of stored studies.

    Medians of measured seconds are scaled: pruning by pruned levels and calibration sentences,
    evaluation by levels and examples, attacks by levels and attacked examples; with a `preview`
    also by the length of texts (`BY_TOKENS`) and by the model's prunable weights. A recovery counts
    as reading so many more examples, see `Recovery.reads`. For pruning,
    studies must share the method, for attacks the attack. Those of the same model count before
    others, then those of the same data, then those of this machine, then those with texts of like
    length. Times of another machine differ.
    """
    work = _work(spec, rows, preview)
    total, used, levels, foreign, here = LOADING, set[str](), 0, False, True
    for part, units in (
        ("prune", work.prune),
        ("evaluate", work.evaluate),
        ("attack", work.attack),
    ):
        if not units:
            continue
        best = _most_alike(spec, work, [row for row in rows if _counts_for(row, part, spec)], part)
        if not best:
            return Estimate(None, 0, 0, "No similar study was measured, so there is no estimate.")
        times = [time * _scale(row, part, work) for row in best for time in _times(row, part)]
        total += units * median(times)
        used |= {row.key for row in best}
        levels = max(levels, len(times))
        foreign |= any(not _same_model(spec, row) for row in best)
        here &= all(row.layer == "user" for row in best)
    if not used:
        return Estimate(total, 0, 0, "Every level is stored already.", True)
    source = "another model, scaled by its size," if foreign else "this model,"
    names = f"{len(used)} stor{'ed study' if len(used) == 1 else 'ed studies'} of {source} up to "
    machine = "" if here else "; this machine may be slower or faster"
    return Estimate(
        total,
        len(used),
        levels,
        f"By the measured times of {names}{pluralize(levels, 'level')}{machine}.",
        here,
    )


def _work(spec: StudySpec, rows: Sequence[StudyRow], preview: "StudyPreview | None") -> Workload:
    left = _missing_levels(spec, rows)
    sparse, attacked = sum(level > 0 for level in left), 0
    recovery = recovery_of(spec)
    tuning = sparse * recovery.reads if recovery is not None else 0
    if preview is not None and preview.uses is not None:
        uses = preview.uses
        tokens = uses.tokens / max(uses.calibration, 1)
        prunable = preview.model.prunable if preview.model is not None else None
        calibration, evaluation, attacked = uses.calibration, uses.evaluation, uses.attacked
        evaluated = len(left) * evaluation + tuning
        return Workload(sparse * calibration, evaluated, len(left) * attacked, tokens, prunable)
    here = [row for row in rows if _same_data(spec, row)]
    evaluation = _available(here, "evaluation", "eval_examples", spec.eval_examples)
    calibration = _available(here, "calibration", "calibration", spec.calibration)
    if spec.attack != "none":
        attacked = min(evaluation, spec.attack_examples)
    evaluated = len(left) * evaluation + tuning
    return Workload(sparse * calibration, evaluated, len(left) * attacked, None, None)


def _counts_for(row: StudyRow, part: str, spec: StudySpec) -> bool:
    """Whether a study tells anything of a part of another."""
    about = row.about
    if part == "prune" and canonical_name(about["method"]) != canonical_name(spec.method):
        return False
    if part == "attack" and about["attack"] != spec.attack:
        return False
    return bool(_times(row, part))


def _times(row: StudyRow, part: str) -> list[float]:
    """Seconds an example, level by level, as far as they were measured."""
    count = row.about["counts"][COUNTED[part]]
    return [
        level["seconds"][part] / count
        for level in row.levels
        if count and level["seconds"].get(part) and (level["sparsity"] or part != "prune")
    ]


def _most_alike(
    spec: StudySpec, work: Workload, rows: Sequence[StudyRow], part: str
) -> list[StudyRow]:
    """Those of the rows that are most like the study. Without its size, another model is none."""

    def unlike(row: StudyRow) -> tuple[bool, bool, bool, float]:
        return (
            not _same_model(spec, row),
            not _same_data(spec, row),
            row.layer != "user",
            round(abs(math.log(_longer(row, work))), 1),
        )

    candidates = [
        row
        for row in rows
        if _same_model(spec, row) or (work.prunable and row.about.get("prunable"))
    ]
    least = min(map(unlike, candidates), default=None)
    return [row for row in candidates if unlike(row) == least]


def _scale(row: StudyRow, part: str, work: Workload) -> float:
    """How much longer an example takes than in a stored study."""
    size, scale = row.about.get("prunable"), _longer(row, work) ** BY_TOKENS[part]
    return float(scale * (work.prunable / size if work.prunable and size else 1.0))


def _longer(row: StudyRow, work: Workload) -> float:
    """Tokens of an example as a multiple of a stored study's; 1 where they are not known."""
    tokens, count = row.about.get("calibration_tokens"), row.about["counts"]["calibration"]
    if work.tokens is None or not tokens or not count:
        return 1.0
    return float(work.tokens * count / tokens)


def _missing_levels(spec: StudySpec, rows: Sequence[StudyRow]) -> list[float]:
    """The levels that no study with the same settings has yet."""
    settings, usual = (
        {name: value for name, value in asdict(each).items() if name not in ("levels", "device")}
        for each in (spec, StudySpec())
    )

    def is_same(row: StudyRow) -> bool:
        # a study from before a setting was there has its default
        own = {**usual, **row.about["spec"]}
        return {**own, "method": stored_name(own["method"], row.solver)} == settings

    stored = {level["sparsity"] for row in rows if is_same(row) for level in row.levels}
    return [level for level in spec.levels if level not in stored]


def _same_model(spec: StudySpec, row: StudyRow) -> bool:
    return bool(row.about["spec"].get("model") == spec.model)


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

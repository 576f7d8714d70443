"""Studies beside one another at exactly one sparsity: what was measured there, and what a paired
test says of it. Nothing is borrowed from other sparsities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from prunescope.engine.evaluation.collapse import has_collapsed
from prunescope.engine.reading.changes import TESTED, Change, changes_between, comparable
from prunescope.engine.reading.flips import same_attack, same_examples
from prunescope.engine.reading.verdicts import percent
from prunescope.engine.records import LevelResult, Rate, Study

COLLAPSED = "collapsed"


@dataclass(frozen=True, slots=True)
class Compared:
    """One study of a comparison."""

    study: Study
    sparsity: float
    level: LevelResult | None  # None where this sparsity was not measured
    # by measure; none where there is no baseline, or nothing to pair with it
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def collapsed(self) -> bool:
        """Whether the model has collapsed."""
        return self.level is not None and has_collapsed(self.study, self.level)

    @property
    def note(self) -> str:
        """Why cells are empty or faded; nothing where all is well."""
        if self.level is None:
            return f"not measured at {percent(self.sparsity)}"
        return COLLAPSED if self.collapsed else ""

    def rate(self, measure: str) -> Rate | None:
        """Acc, Aua or Asr as it was measured here."""
        rate: Rate | None = getattr(self.level, measure) if self.level else None
        return rate if rate is not None and rate.value is not None else None


def compare(
    studies: Sequence[Study], sparsity: float, base: tuple[Study, float] | None = None
) -> list[Compared]:
    """Every study at this sparsity, with its changes against the baseline (a study's level).

    The rows are one family a measure. Acc is compared where both saw the same examples, Aua and Asr
    where both saw the same attack as well and neither model has collapsed.
    """
    rows = [Compared(study, sparsity, study.level(sparsity)) for study in studies]
    base_level = base[0].level(base[1]) if base else None
    if base is None or base_level is None:
        return rows
    changes = [dict[str, Change]() for _ in rows]
    for measure in TESTED:
        paired = [
            (index, (row.level, base_level))
            for index, row in enumerate(rows)
            if row.level is not None
            and _pairable(row.study, row.level, base[0], base_level, measure)
        ]
        measured = changes_between([pair for _, pair in paired], measure)
        for (index, _), change in zip(paired, measured, strict=True):
            changes[index][measure] = change
    return [replace(row, changes=mine) for row, mine in zip(rows, changes, strict=True)]


def _pairable(
    study: Study, level: LevelResult, base: Study, base_level: LevelResult, measure: str
) -> bool:
    """Whether a difference of the two models' rates means anything."""
    if study.key == base.key and level.sparsity == base_level.sparsity:
        return False
    if same_examples(base, study) or not (
        comparable(level, measure) and comparable(base_level, measure)
    ):
        return False
    if measure == "acc":
        return True
    collapsed = has_collapsed(study, level) or has_collapsed(base, base_level)
    return not collapsed and same_attack(base, study) is None

"""What changed against the dense model, and whether a paired test supports it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prunescope.engine.attacks.metrics import WITHSTOOD, paired_attack
from prunescope.engine.evaluation.collapse import has_collapsed
from prunescope.engine.evaluation.statistics import holm, mcnemar
from prunescope.engine.records import LevelResult, Rate, Study

TESTED = ("acc", "aua", "asr")
LESS_IS_BETTER = ("asr",)
ALPHA = 0.05
EQUAL = 0.05  # points that round to 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a rate against another model's, in points. Only where it is `significant` may
    a colour say that it is better or worse.
    """

    points: float | None
    p: float | None = None  # after Holm; None where nothing was tested
    significant: bool = False
    better: bool | None = None  # None unless significant
    note: str = ""  # what was tested, or why nothing was

    @property
    def points_text(self) -> str:
        """As in "−3.9" or "0.0"; nothing where there is no change to tell."""
        if self.points is None:
            return ""
        if abs(self.points) < EQUAL:
            return "0.0"
        return f"{self.points:+.1f}".replace("-", "−")

    @property
    def p_text(self) -> str:
        """One of "n.s.", "p = .002" and "p < .001"; nothing where nothing was tested."""
        if self.p is None:
            return ""
        return p_text(self.p) if self.significant else "n.s."

    def text(self, base: str = "dense") -> str:
        """As in "−0.2 vs dense (n.s.)", "−3.9 vs dense (p = .002)" or "as dense"."""
        if self.points is None:
            return ""
        if self.p_text == "n.s." and self.points_text == "0.0":
            return f"as {base}"
        test = f" ({self.p_text})" if self.p_text else ""
        return f"{self.points_text} vs {base}{test}"


def p_text(p: float) -> str:
    """A p-value as papers print it: "p = .002", "p < .001"."""
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".", 1)


NO_CHANGE = Change(None)
Pair = tuple[LevelResult, LevelResult]  # what is compared, and with what


def changes_between(pairs: Sequence[Pair], measure: str) -> list[Change]:
    """The change of a rate in every pair, from the second model to the first, the p-values adjusted
    for the number of pairs by Holm's method. Both models of a pair saw the same examples, and for
    Aua and Asr the same attack; that is the caller's to check.

    Acc and Aua: McNemar's exact test on all examples that both were measured on. Asr: on the
    attacked ones that both models classify correctly.
    """
    tables = [_table(*pair, measure) for pair in pairs]
    adjusted = holm([mcnemar(more, fewer) for more, fewer, _ in tables])
    several = f", Holm over {len(pairs)} comparisons" if len(pairs) > 1 else ""
    return [
        _change(pair, measure, table, p, f"McNemar's exact test{several}, n = {table[2]}")
        for pair, table, p in zip(pairs, tables, adjusted, strict=True)
    ]


def changes(study: Study) -> Mapping[tuple[float, str], Change]:
    """Every measured (sparsity, "acc", "aua" or "asr") of a study against its dense model. Compute
    it once for all stops of a slider.

    The levels are one family a measure. Where a model has collapsed, nothing is said of its Aua and
    Asr, and they do not count in the family.
    """
    dense = study.level(0.0)
    if dense is None:
        return {}
    results: dict[tuple[float, str], Change] = {}
    for name in TESTED:
        levels = [level for level in study.levels if level.sparsity and comparable(level, name)]
        if not comparable(dense, name):
            continue
        sound = [
            level
            for level in levels
            if name == "acc" or not (has_collapsed(study, level) or has_collapsed(study, dense))
        ]
        for level in levels:
            results[level.sparsity, name] = Change(None, note="collapsed: its attacks mean nothing")
        compared = changes_between([(level, dense) for level in sound], name)
        results |= {
            (level.sparsity, name): change for level, change in zip(sound, compared, strict=True)
        }
    return results


def change(study: Study, sparsity: float, measure: str) -> Change:
    """The change of "acc", "aua" or "asr" at one sparsity against the study's dense model.

    Nothing is said of the dense model itself, of a sparsity that was not measured, and of other
    quantities, which have no test.
    """
    level = study.level(sparsity)
    if level is None:
        return Change(None, note="not measured at this sparsity")
    if measure not in TESTED or level.sparsity == 0:
        return NO_CHANGE
    return changes(study).get((level.sparsity, measure), NO_CHANGE)


def comparable(level: LevelResult, measure: str) -> bool:
    """Whether a level has a value of the rate."""
    rate: Rate | None = getattr(level, measure)
    return rate is not None and rate.value is not None


def _table(first: LevelResult, second: LevelResult, measure: str) -> tuple[int, int, int]:
    """(examples that count for the first only, for the second only, all that are paired)."""
    if measure == "asr":
        pair = paired_attack(first.attacks, second.attacks)
        return pair.only_first_breaks, pair.only_second_breaks, pair.first.n
    if measure == "acc":
        first_right, second_right, n = set(first.correct), set(second.correct), first.acc.n
    else:
        shared = _attacked(first) & _attacked(second)  # one may have attacked more of them
        first_right, second_right = _withstood(first) & shared, _withstood(second) & shared
        n = len(shared)
    return len(first_right - second_right), len(second_right - first_right), n


def _attacked(level: LevelResult) -> set[int]:
    return {record.example for record in level.attacks}


def _withstood(level: LevelResult) -> set[int]:
    return {record.example for record in level.attacks if record.outcome in WITHSTOOD}


def _change(pair: Pair, measure: str, table: tuple[int, int, int], p: float, note: str) -> Change:
    first, second = (getattr(level, measure).value for level in pair)
    points, more = 100 * (first - second), table[0] - table[1]
    # tested on shared examples only: what they say must be what the rates say
    significant = p < ALPHA and points * more > 0
    better = (points > 0) != (measure in LESS_IS_BETTER) if significant else None
    return Change(points, p, significant, better, note)

"""What each part of the method is worth: inputs, target, refit, residual target, importance, solver."""

from collections.abc import Sequence

from engine import LevelResult, Study
from engine.pruning.methods import method_named
from scripts.reading.words import about, aua_difference, level_name, points, rows, share

ONE_BY_ONE = ("inputs", "target", "refit", "residual", "importance", "solver")
WORDS = {True: "on", False: "off"}
INTRODUCTION = """
## The ablation that P1 lacks, on SST-2 dev

Statistics from the pruned model's inputs (`sparse`, P1's adaptive Hessian) or the dense one's; the target of Eq. 5 (`paper`) or
ours with two-sided damping (`adaptive`), with the drift of the residual stream in it or not; the survivors refitted or not;
tokens and outputs weighed by what reaches the last [CLS] or not; the weights to remove chosen in one sweep (`blocked`) or
jointly (`alternating`). The default is the last row.

"""
SWITCHED = """
One part switched: the ratio of the [CLS] errors, and the difference in Aua on the same attacked examples, bold where its 95 %
interval leaves out zero.

"""


def section(studies: Sequence[Study]) -> str:
    """One row a combination, its levels side by side, and what each single switch changes."""
    mine = about(studies, data="sst2", attack="deepwordbug", seed=0, pattern="unstructured", model="MiniLM-L6")
    mine = [study for study in mine if study.about["method"].partition(":")[0] in ("sequential", "adaptive")]
    levels = [0.5, 0.875]
    if not mine:
        return ""
    lines = []
    for study in mine:
        parts = method_named(study.about["method"])
        at = [found for level in levels if (found := study.level(level)) is not None]
        lines.append([*(_word(getattr(parts, name)) for name in ONE_BY_ONE), *(f"{_median(found):.3f}" for found in at),
                      *(f"{found.cls_error:.3f}" for found in at), *(share(found.acc) for found in at),
                      *(share(found.aua) for found in at)])  # fmt: skip
    header = [*ONE_BY_ONE, *(f"{name}, {level_name(level)}" for name in ("layer error", "[CLS] error", "Acc", "Aua")
                             for level in levels)]  # fmt: skip
    return INTRODUCTION + rows(header, lines) + _switches(mine, levels)


def _word(value: object) -> str:
    return WORDS[value] if isinstance(value, bool) else str(value)


def _median(level: LevelResult) -> float:
    errors = sorted(level.layer_errors.values())
    return float(errors[len(errors) // 2])


def _switches(studies: Sequence[Study], levels: Sequence[float]) -> str:
    """Pairs of combinations that differ in one part alone."""
    lines = []
    for first in studies:
        for second in studies:
            one, two = (method_named(study.about["method"]) for study in (first, second))
            apart = [name for name in ONE_BY_ONE if getattr(one, name) != getattr(two, name)]
            if len(apart) != 1 or not _later(apart[0], getattr(one, apart[0]), getattr(two, apart[0])):
                continue
            name, cells = apart[0], []
            for level in levels:
                a, b = first.level(level), second.level(level)
                if a is not None and b is not None:
                    cells += [f"{b.cls_error / a.cls_error:.2f}", points(aua_difference(first, second, level))]
            rest = ", ".join(f"{other} {_word(getattr(one, other))}" for other in ONE_BY_ONE if other != name)
            lines.append([f"{name}: {_word(getattr(one, name))} → {_word(getattr(two, name))}", rest, *cells])
    header = ["switched", "with", *(text for level in levels for text in (f"[CLS] error ratio, {level_name(level)}",
                                                                          f"Aua, points, {level_name(level)}"))]  # fmt: skip
    return SWITCHED + rows(header, lines)


def _later(name: str, first: object, second: object) -> bool:
    order = {"inputs": ["dense", "sparse"], "target": ["none", "paper", "adaptive"], "refit": ["none", "cg"],
             "residual": [False, True], "importance": [False, True], "solver": ["blocked", "alternating"]}[name]  # fmt: skip
    return order.index(first) < order.index(second)  # type: ignore[arg-type]

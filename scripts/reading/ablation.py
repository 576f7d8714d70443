"""What each part of the method is worth: inputs, target, refit, residual target, importance,
solver, allocation.
"""

from collections.abc import Sequence

from prunescope.engine import LevelResult, Study
from prunescope.engine.pruning.methods import method_named
from scripts.reading.words import about, aua_difference, level_name, points, rows, share, usual

ONE_BY_ONE = ("inputs", "target", "refit", "residual", "importance", "solver", "allocation")
WORDS = {True: "on", False: "off"}
LEVELS = (0.5, 0.875)
ORDER: dict[str, list[object]] = {
    "inputs": ["dense", "sparse"],
    "target": ["none", "p1", "adaptive"],
    "refit": ["none", "cg"],
    "residual": [False, True],
    "importance": [False, True],
    "solver": ["sparsegpt", "joint"],
    "allocation": ["uniform", "loss-equalised"],
}
ADAPTIVE = "sparsegpt:target=adaptive"
WEIGHED = f"{ADAPTIVE},residual=on,refit=cg,steps=10,importance=on"
STEPS = (  # part, what is pruned without it, with it
    (
        "Taking statistics from the pruned model's inputs, not the dense one's,",
        "sparsegpt-static",
        "sparsegpt",
    ),
    ("Adding P1's target", "sparsegpt", "sparsegpt:target=p1"),
    ("Replacing P1's target by PruneScope's", "sparsegpt:target=p1", ADAPTIVE),
    ("Adding the refit", ADAPTIVE, f"{ADAPTIVE},refit=cg"),
    ("Adding the residual target", f"{ADAPTIVE},refit=cg", f"{ADAPTIVE},residual=on,refit=cg"),
    (
        "Weighing by importance, with its metric in the refit,",
        f"{ADAPTIVE},residual=on,refit=cg",
        WEIGHED,
    ),
    ("Choosing the weights jointly", WEIGHED, "adaptive uniform"),
    ("Spreading sparsity over layers by equal loss", "adaptive uniform", "adaptive"),
)
INTRODUCTION = """
## The ablation that P1 lacks, on SST-2

Each part of the method on or off. *Inputs*: statistics from the inputs of the pruned model
(`sparse`, P1's adaptive Hessian) or of the dense one. *Target*: Eq. 5 (`p1`) or ours with
two-sided damping (`adaptive`). *Residual*: whether the target includes the drift of the residual
stream. *Refit*: whether the remaining weights are refitted. *Importance*: whether tokens and
outputs are weighed by their effect on the last [CLS] (the refit then takes ten steps, not five).
*Solver*: weights to remove chosen in one sweep (`sparsegpt`) or jointly (`joint`). *Allocation*:
every layer equally sparse, or sparser where it costs less. The default is the last row.

"""
SWITCHED = """
One part switched: the ratio of the [CLS] errors, and the difference in Aua on the same attacked
examples, in bold where its 95% interval excludes zero.

"""


def section(studies: Sequence[Study]) -> str:
    """One row a combination, its levels side by side, and what each single switch changes."""
    mine = about(
        studies,
        data="sst2",
        attack="deepwordbug",
        seed=0,
        pattern="unstructured",
        model="MiniLM-L6",
    )
    mine = [
        study
        for study in mine
        if study.about["method"].partition(":")[0] in ("sparsegpt", "adaptive", "sparsegpt-static")
    ]
    if not mine:
        return ""
    mine, levels = sorted(mine, key=_place), LEVELS
    lines = []
    for study in mine:
        parts = _parts(study)
        at = [result for level in levels if (result := study.level(level)) is not None]
        lines.append(
            [
                *(_word(parts[name]) for name in ONE_BY_ONE),
                *(f"{_median(result):.3f}" for result in at),
                *(f"{result.cls_error:.3f}" for result in at),
                *(share(result.acc) for result in at),
                *(share(result.aua) for result in at),
            ]
        )
    header = [
        *ONE_BY_ONE,
        *(
            f"{name}, {level_name(level)}"
            for name in ("layer error", "[CLS] error", "Acc", "Aua")
            for level in levels
        ),
    ]
    return INTRODUCTION + rows(header, lines) + _switches(mine, levels)


def pairs(studies: Sequence[Study]) -> list[tuple[str, Study, Study]]:
    """Each part of the method where it comes in first: its name, the study without and with it."""
    mine = about(
        studies,
        data="sst2",
        attack="deepwordbug",
        seed=0,
        pattern="unstructured",
        model="MiniLM-L6",
    )
    by_method = {_name(study): study for study in mine}
    return [
        (part, by_method[before], by_method[after])
        for part, before, after in STEPS
        if before in by_method and after in by_method
    ]


def in_short(studies: Sequence[Study]) -> list[str]:
    """What each part does to the [CLS] error where it comes in first."""
    parts = []
    for part, before, after in pairs(studies):
        levels = [(before.level(level), after.level(level)) for level in LEVELS]
        ratios = [
            f"{after_level.cls_error / before_level.cls_error:.2f}"
            for before_level, after_level in levels
            if before_level is not None and after_level is not None
        ]
        if len(ratios) == len(LEVELS):
            parts.append(f"{part[0].lower()}{part[1:]} × {' and '.join(ratios)}")
    if not parts:
        return []
    return [
        "The [CLS] error on SST-2 is multiplied, without a test, at "
        f"{' and '.join(map(level_name, LEVELS))} by: " + "; ".join(parts) + "."
    ]


def _place(study: Study) -> list[int]:
    """The place of a combination in the table: what P1 has none of last."""
    parts = _parts(study)
    order = ("allocation", "solver", "importance", "residual", "target", "inputs", "refit")
    return [ORDER[name].index(parts[name]) for name in order]


def _name(study: Study) -> str:
    """The method, and the allocation where it is not the method's own."""
    return f"{study.about['method']}{'' if usual(study) else ' ' + study.about['allocation']}"


def _parts(study: Study) -> dict[str, object]:
    method = method_named(study.about["method"])
    return {
        name: study.about["allocation"] if name == "allocation" else getattr(method, name)
        for name in ONE_BY_ONE
    }


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
            first_parts, second_parts = _parts(first), _parts(second)
            apart = [name for name in ONE_BY_ONE if first_parts[name] != second_parts[name]]
            if len(apart) != 1 or not _later(
                apart[0], first_parts[apart[0]], second_parts[apart[0]]
            ):
                continue
            name, cells = apart[0], []
            for level in levels:
                a, b = first.level(level), second.level(level)
                if a is not None and b is not None:
                    cells += [
                        f"{b.cls_error / a.cls_error:.2f}",
                        points(aua_difference(first, second, level)),
                    ]
            rest = ", ".join(
                f"{other} {_word(first_parts[other])}" for other in ONE_BY_ONE if other != name
            )
            lines.append(
                [f"{name}: {_word(first_parts[name])} → {_word(second_parts[name])}", rest, *cells]
            )
    header = [
        "switched",
        "with",
        *(
            text
            for level in levels
            for text in (
                f"[CLS] error ratio, {level_name(level)}",
                f"Aua, points, {level_name(level)}",
            )
        ),
    ]
    return SWITCHED + rows(header, lines)


def _later(name: str, first: object, second: object) -> bool:
    order = ORDER[name]
    return order.index(first) < order.index(second)

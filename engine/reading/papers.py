"""The table of a paper: methods × sparsities, a rate with its interval, the best one marked where a
test supports it.

Only what was measured stands in it: a sparsity that a study lacks is an empty cell, never a value
of another.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prunescope.engine.evaluation.collapse import has_collapsed
from prunescope.engine.reading import glossary
from prunescope.engine.reading.changes import TESTED, changes_between, comparable
from prunescope.engine.reading.flips import same_attack, same_examples
from prunescope.engine.reading.series import model_bytes
from prunescope.engine.reading.titles import attack_title, data_title, literature_title, model_title
from prunescope.engine.records import LevelResult, Study

MEASURES = ("acc", "aua", "asr", "cls_error", "size")
UNDER_ATTACK = ("aua", "asr")


@dataclass(frozen=True, slots=True)
class TableCell:
    """A value as a paper prints it; an empty one was not measured."""

    value: str = ""
    interval: str = ""  # "87.0–91.1"
    best: bool = False  # better than every other method here, by a paired test
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class PaperTable:
    """The cells: by measure one row a method, one cell a sparsity."""

    methods: tuple[str, ...]
    sparsities: tuple[float, ...]
    cells: dict[str, tuple[tuple[TableCell, ...], ...]]
    caption: tuple[str, ...]  # sentences

    @property
    def marks(self) -> tuple[str, ...]:
        """What the marks in the cells mean, a sentence each; only of those that occur."""
        cells = [cell for rows in self.cells.values() for row in rows for cell in row]
        sentences = []
        if any(cell.best for cell in cells):
            sentences.append(
                "Bold: better than every other method that was measured at this sparsity and has "
                "not collapsed (McNemar's exact test, Holm-adjusted, p < 0.05)."
            )
        if any(cell.collapsed for cell in cells):
            sentences.append(
                "†: collapsed, hardly better than one answer to everything; attacks say nothing of "
                "it."
            )
        if any(not cell.value and not cell.collapsed for cell in cells):
            sentences.append("–: not measured.")
        return tuple(sentences)


def paper_table(
    studies: Sequence[Study], sparsities: Sequence[float], measures: Sequence[str]
) -> PaperTable:
    """The table of some studies at some sparsities, in [0, 1]; measures are of `MEASURES`."""
    return PaperTable(
        tuple(literature_names(studies)),
        tuple(sparsities),
        {measure: _rows(studies, sparsities, measure) for measure in measures},
        caption(studies, measures),
    )


def literature_names(studies: Sequence[Study]) -> list[str]:
    """The methods of some studies as papers name them; those of one name get the first digits of
    their keys.
    """
    names = [literature_title(study.about) for study in studies]
    return [
        name if names.count(name) == 1 else f"{name}, {study.key[:6]}"
        for name, study in zip(names, studies, strict=True)
    ]


def caption(studies: Sequence[Study], measures: Sequence[str]) -> tuple[str, ...]:
    """The caption of a table: what was measured, on how many examples, under which attack."""
    intervals = ("In brackets: 95% Wilson intervals.",) if set(TESTED) & set(measures) else ()
    return (*_measured(studies, measures), *intervals)


def figure_caption(
    studies: Sequence[Study], measures: Sequence[str], band: bool
) -> tuple[str, ...]:
    """The caption of a figure; `band` says whether the intervals are drawn."""
    sentences = [*_measured(studies, measures), "Lines join measured sparsities."]
    if band and set(TESTED) & set(measures):
        sentences.append("Shaded: 95% Wilson intervals.")
    if any(has_collapsed(study, level) for study in studies for level in study.levels):
        parts = [] if set(measures) <= set(UNDER_ATTACK) else ["faded"]
        parts += ["without Aua and Asr"] if set(measures) & set(UNDER_ATTACK) else []
        sentences.append(
            "Collapsed models, hardly better than one answer to everything, are "
            f"{' and '.join(parts)}."
        )
    return tuple(sentences)


def _measured(studies: Sequence[Study], measures: Sequence[str]) -> list[str]:
    names = [glossary.measure(measure) for measure in measures]
    what = _listed(
        f"{_small(one.name)} ({one.symbol})" if one.key in TESTED else _small(one.name)
        for one in names
    )
    models = _joined(model_title(study.about["model"]) for study in studies)
    data = _joined(data_title(study.about["data"]) for study in studies)
    counts = [study.about["counts"] for study in studies]
    sentences = [
        f"{what[:1].upper()}{what[1:]} of {models} on {data} at several sparsities of the "
        "prunable weights.",
        f"{_joined(str(count['evaluation']) for count in counts)} examples, "
        f"seed {_joined(str(study.about['seed']) for study in studies)}.",
    ]
    attacked = [study for study in studies if study.about["attack"] != "none"]
    if attacked and set(UNDER_ATTACK) & set(measures):
        number = _joined(str(study.about["counts"]["attacked"]) for study in attacked)
        attack = _joined(attack_title(study.about["attack"]) for study in attacked)
        sentences.append(f"{number} of them attacked with {attack}.")
    return sentences


def _listed(parts: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _small(name: str) -> str:
    return name[:1].lower() + name[1:]


def _joined(values: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(values))


def _rows(
    studies: Sequence[Study], sparsities: Sequence[float], measure: str
) -> tuple[tuple[TableCell, ...], ...]:
    best = {sparsity: _best(studies, sparsity, measure) for sparsity in sparsities}
    return tuple(
        tuple(_cell(study, sparsity, measure, best[sparsity] is study) for sparsity in sparsities)
        for study in studies
    )


def _cell(study: Study, sparsity: float, measure: str, best: bool) -> TableCell:
    level = study.level(sparsity)
    if level is None:
        return TableCell()
    collapsed = has_collapsed(study, level)
    if measure == "cls_error":
        return TableCell(f"{level.cls_error:.3g}", collapsed=collapsed)
    if measure == "size":
        return TableCell(f"{model_bytes(study, level) / 1e6:.1f}", collapsed=collapsed)
    if not comparable(level, measure):
        return TableCell()
    if collapsed and measure in UNDER_ATTACK:
        return TableCell(collapsed=True)
    rate = getattr(level, measure)
    interval = f"{100 * rate.low:.1f}–{100 * rate.high:.1f}"
    return TableCell(f"{100 * rate.value:.1f}", interval, best, collapsed)


def _best(studies: Sequence[Study], sparsity: float, measure: str) -> Study | None:
    """The study that a paired test puts before every other one at this sparsity, if there is one.

    Nothing is put first where two of them cannot be paired, or have the same value.
    """
    if measure not in TESTED or sparsity == 0:
        return None
    levels: list[tuple[Study, LevelResult]] = []
    for study in studies:
        level = study.level(sparsity)
        if level and comparable(level, measure) and not has_collapsed(study, level):
            levels.append((study, level))
    if len(levels) < 2 or not _paired([study for study, _ in levels], measure):
        return None
    sign = -1 if glossary.measure(measure).less_is_better else 1
    first, level = max(levels, key=lambda pair: sign * getattr(pair[1], measure).value)
    others = [(level, other) for study, other in levels if study is not first]
    compared = changes_between(others, measure)
    return first if all(change.better for change in compared) else None


def _paired(studies: Sequence[Study], measure: str) -> bool:
    first, *others = studies
    reasons = [same_examples(first, other) for other in others]
    if measure in UNDER_ATTACK:
        reasons += [same_attack(first, other) for other in others]
    return not any(reasons)

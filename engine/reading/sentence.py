"""The sentence under the slider: what each study keeps at a sparsity, side by side, in plain words.

    At 87.5%, Adaptive keeps 86.1 of 89.6% accuracy and withstands 34 of 200 attacks (dense: 36);
    SparseGPT keeps 72.0% and withstands 13; Magnitude has collapsed: 50.9% is near chance.

It comes in clauses, so that a page can set each study's mark before its name. A value between two
measured levels is marked with ≈.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.engine.evaluation.collapse import collapse_reason, has_collapsed
from prunescope.engine.formatting import pluralize
from prunescope.engine.reading.names import short_names
from prunescope.engine.reading.series.values import Neighbours, neighbours, rate_at
from prunescope.engine.reading.verdicts import percent
from prunescope.engine.records import LevelResult, Study


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of the sentence; one about a study names it and says which it is."""

    text: str
    study: int | None = None  # its index
    name: str = ""


def comparison(studies: Sequence[Study], sparsity: float) -> tuple[Clause, ...]:
    """What every study keeps at a sparsity in [0, 1]; the first of a dense model in full."""
    if sparsity == 0:
        return (Clause(_dense_sentence(studies[0])),) if studies else ()
    clauses = [Clause(f"At {percent(sparsity)}, ")]
    names = short_names(studies)
    whole = list[Study]()  # those whose clause says what the dense model does
    for index, (study, name) in enumerate(zip(studies, names, strict=True)):
        beside = any(_same_dense(other, study) for other in whole)
        whole += [study] if _is_kept(study, sparsity) else []
        end = "." if index == len(studies) - 1 else "; "
        name = name[:1].upper() + name[1:]
        clauses.append(Clause(f" {_kept(study, sparsity, beside)}{end}", index, name))
    return tuple(clauses)


def comparison_text(studies: Sequence[Study], sparsity: float) -> str:
    """The sentence as plain text."""
    return "".join(clause.name + clause.text for clause in comparison(studies, sparsity))


def _dense_sentence(study: Study) -> str:
    dense = study.level(0.0)
    if dense is None or dense.acc.value is None:
        return "The dense model was not measured."
    if has_collapsed(study, dense):
        return (
            "Nothing is pruned at 0%, and the dense model itself has collapsed: "
            f"{collapse_reason(study, dense)}."
        )
    text = (
        f"Nothing is pruned at 0%: the dense model classifies {percent(dense.acc.value, 1)} of "
        f"{pluralize(dense.acc.n, 'text')} correctly"
    )
    if dense.aua is not None and dense.aua.n:
        text += f" and withstands {dense.aua.hits} of {dense.aua.n} attacks"
    return f"{text}."


def _same_dense(first: Study, other: Study) -> bool:
    """Whether two studies prune the same model and measure it on the same examples."""
    names = ("victim", "evaluation", "attack")
    return all(first.identity.get(name) == other.identity.get(name) for name in names)


def _is_kept(study: Study, sparsity: float) -> bool:
    """Whether there is something that a study keeps: it was measured around here, and stands."""
    around = neighbours(study, sparsity)
    inside = around.measured or around.low is not around.high
    return inside and not any(has_collapsed(study, level) for level in (around.low, around.high))


def _kept(study: Study, sparsity: float, beside: bool) -> str:
    """What one study keeps; `beside` another one of the same dense model, which need not be told
    again.
    """
    around = neighbours(study, sparsity)
    if not around.measured and around.low is around.high:
        side = "beyond" if around.low.sparsity < sparsity else "below"
        return f"was not measured {side} {percent(around.low.sparsity)}"
    if has_collapsed(study, around.high):
        return _collapse(study, around)
    if has_collapsed(study, around.low):
        low, high = percent(around.low.sparsity), percent(around.high.sparsity)
        return f"was not measured between {low}, where it has collapsed, and {high}"
    accuracy = rate_at(study, sparsity, "acc").value
    if accuracy is None:
        return "has no accuracy"
    about, dense = "" if around.measured else "≈ ", study.level(0.0)
    kept = f"keeps {about}{percent(accuracy, 1)}"
    if not beside:
        whole = "" if dense is None or dense.acc.value is None else percent(dense.acc.value, 1)
        kept = f"{kept.removesuffix('%')} of {whole} accuracy" if whole else f"{kept} accuracy"
    return kept + _withstood(study, sparsity, about, dense, beside)


def _collapse(study: Study, around: Neighbours) -> str:
    if around.measured:
        return f"has collapsed: {collapse_reason(study, around.high)}"
    if has_collapsed(study, around.low):
        return f"has collapsed at {percent(around.low.sparsity)} already"
    low, high = percent(around.low.sparsity), percent(around.high.sparsity)
    return f"collapses somewhere between {low} and {high}"


def _withstood(
    study: Study, sparsity: float, about: str, dense: LevelResult | None, beside: bool
) -> str:
    aua, level = rate_at(study, sparsity, "aua"), neighbours(study, sparsity).low
    if aua.value is None or level.aua is None:
        return ""
    n = level.aua.n
    hits = f"{about}{n * aua.value:.0f}"
    if beside:
        return f" and withstands {hits}"
    base = f" (dense: {dense.aua.hits})" if dense is not None and dense.aua is not None else ""
    return f" and withstands {hits} of {n} attacks{base}"

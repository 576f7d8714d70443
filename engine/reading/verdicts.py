"""Sentences about a study that pages, the command line, reports and documents share. They follow
from the figures, so a study that comes out otherwise changes the sentence.
"""

from prunescope.engine.evaluation.collapse import collapse_reason
from prunescope.engine.evaluation.collapse import has_collapsed as has_collapsed
from prunescope.engine.formatting import pluralize
from prunescope.engine.reading.glossary import measure
from prunescope.engine.reading.safety import SafeSparsity
from prunescope.engine.reading.titles import method_title
from prunescope.engine.records import Rate, Study


def percent(share: float, digits: int | None = None) -> str:
    """A share as people write it: `0.875` → "87.5%"."""
    return f"{100 * share:g}%" if digits is None else f"{100 * share:.{digits}f}%"


def safe_headline(safe: SafeSparsity) -> str:
    """The one-sided answer in one line: "Safe up to 35% with 95% confidence; best guess 80%"."""
    if safe.sparsity == 0 and safe.possible == 0:
        return "No measured sparsity is safe, with 95% confidence"
    guess = f"best guess {percent(safe.sparsity) if safe.sparsity else 'none'}"
    if not safe.sure:
        return f"No sparsity is confirmed as safe with 95% confidence; {guess}"
    answer = f"Safe up to {percent(safe.sure)} with 95% confidence"
    return f"{answer}; {guess}" if safe.sure < safe.sparsity else answer


def safe_explanation(safe: SafeSparsity) -> str:
    """What the headline means, with the tolerance."""
    names = [measure(name).name.lower() for name in safe.checked]
    points = pluralize(f"{safe.points:g}", "point") if safe.points != 1 else "1 point"
    if safe.sparsity == 0:
        fall = " or ".join(names)
        return f"{fall} falls more than {points} below the dense model at the lowest one measured"
    verb = "stays" if len(names) == 1 else "stay"
    return f"{' and '.join(names)} {verb} within {points} of the dense model"


def safe_sentence(safe: SafeSparsity) -> str:
    """The headline and its explanation as one sentence."""
    return f"{safe_headline(safe)}: {safe_explanation(safe)}."


def level_sentence(study: Study, sparsity: float) -> str:
    """What the pruned model keeps at a measured sparsity; nothing where it was not measured.

    "At 87.5%, Adaptive keeps 86.1 of 89.4% accuracy and withstands 17 of 100 attacks (dense: 18)."
    """
    level, dense = study.level(sparsity), study.level(0.0)
    if level is None or level.acc.value is None:
        return ""
    start = "Dense" if sparsity == 0 else f"At {percent(sparsity)}, {method_title(study.about)}"
    if has_collapsed(study, level):
        return f"{start} has collapsed: {collapse_reason(study, level)}."
    accuracy = percent(level.acc.value, 1)
    if sparsity == 0 or dense is None or dense.acc.value is None:
        accuracy_kept = f"has {accuracy} accuracy"
    else:
        accuracy_kept = (
            f"keeps {accuracy.removesuffix('%')} of {percent(dense.acc.value, 1)} accuracy"
        )
    beside = dense.aua if dense and sparsity else None
    return f"{start} {accuracy_kept}{_withstood(level.aua, beside)}."


def _withstood(aua: Rate | None, dense: Rate | None) -> str:
    """How many of the attacks a model withstands, beside the dense one."""
    if aua is None or aua.n == 0:
        return ""
    beside = f" (dense: {dense.hits})" if dense is not None and dense.n == aua.n else ""
    return f" and withstands {aua.hits} of {aua.n} attacks{beside}"

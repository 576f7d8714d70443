"""Pruning on a study's own texts and on texts of further files, of which as many are used as help.

The pruner first reads the study's own texts, then twice as many, and so on. At every sparsity by
itself, this ends as soon as the error of what the head reads, on held-out text of the task, falls
by less than LEAST_GAIN, and the best model stays. What is measured once is measured on the texts of
the first round.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from prunescope.engine.evaluation.measure import relative_error
from prunescope.engine.progress import Progress
from prunescope.engine.pruning.measurements import SharedMeasurements
from prunescope.engine.pruning.pipeline import prune_levels
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.studies.examples import LEAST_GAIN, rounds_of
from prunescope.engine.studies.prepare import PreparedStudy


@dataclass(slots=True)
class _Best:
    """The best model of a sparsity so far, and the rounds that led to it."""

    pruned: Pruned
    error: float
    texts: int
    rounds: list[str]


def prune_on_further(
    prepared: PreparedStudy, levels: Sequence[float], report: Progress
) -> Iterator[Pruned]:
    """Prune to each sparsity, on as many texts as help, with a notice that says how many did."""
    victim, held_out = prepared.victim, prepared.held_out
    expected = victim.read(held_out.texts, held_out.pairs)[1]
    if prepared.known is None:
        prepared.known = SharedMeasurements()
    best: dict[float, _Best] = {}
    due, counts = list(levels), rounds_of(prepared.data.own, len(prepared.calibration))
    for count, part in report.each(counts, counts, number=True):
        text, improved = prepared.calibration.take(range(count)), []
        if not due:
            break
        for pruned in prune_levels(
            victim, text.texts, text.pairs, prepared.plan, due, part, prepared.known
        ):
            read = pruned.victim.read(held_out.texts, held_out.pairs)[1]
            error, before = relative_error(expected, read), best.get(pruned.sparsity)
            rounds = [*(before.rounds if before else []), f"{error:.3f} on {count:,}"]
            if before is None or error < before.error:
                best[pruned.sparsity] = _Best(pruned, error, count, rounds)
            else:
                before.rounds = rounds
            if before is None or error < (1 - LEAST_GAIN) * before.error:
                improved.append(pruned.sparsity)
        due = improved
    for level in levels:
        yield _with_notice(prepared, best[level])


def _with_notice(prepared: PreparedStudy, best: _Best) -> Pruned:
    own = min(prepared.data.own, best.texts)
    notice = (
        f"Pruned on {own:,} texts of the study's data and {best.texts - own:,} of further files. "
        f"The error of what the head reads, on held-out text: {', '.join(best.rounds)} texts."
    )
    return replace(best.pruned, notices=(*best.pruned.notices, notice))

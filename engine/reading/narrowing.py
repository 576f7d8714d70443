"""How many more examples would make the safe sparsity more certain."""

import math
from dataclasses import dataclass

from prunescope.engine.evaluation.margins import Z_ONE_SIDED, fewest_examples, within_margin
from prunescope.engine.reading.safety import ALPHA, SafeSparsity, losses
from prunescope.engine.records import Study

POWER = 0.8  # how often the examples are to suffice
Z_POWER = 0.8416212335729143  # its quantile of the normal distribution
FARTHEST = 100  # times as many examples as were measured: beyond that no number is named


@dataclass(frozen=True, slots=True)
class Need:
    """The examples that it would take to confirm a level."""

    measure: str  # "acc" or "aua"
    sparsity: float  # the level that needs most
    measured: int  # examples so far
    examples: int | None  # in all; None where no reasonable number would do


def needed_examples(lost: int, gained: int, n: int, margin: float) -> int | None:
    """How many examples, in all, confirm in four of five cases that the share lost is less than
    `margin` (δ), if flips stay as frequent as they were in n.

    With d = (lost − gained) / n < δ, the least N with
    (δ − d) N − 1 ≥ z₉₅ √(N σ₀²) + z₈₀ √(N σ₁²), which the test of
    `prunescope.engine.evaluation.margins.within_margin` passes with 80% power:
    σ₁² = (lost + gained) / n − d² is the variance of an example's loss as measured, and
    σ₀² = 2 q̂ + δ (1 − δ) that under a loss of exactly δ, q̂ the share gained that is most likely
    then. None where d is δ or more, or more than FARTHEST n would be needed. The shares are
    estimates, so the number is a plan and no promise.
    """
    distance = margin - (lost - gained) / n
    if distance <= 0 or margin >= 1:
        return None
    null = math.sqrt(_variance_at(lost / n, gained / n, margin))
    own = math.sqrt(max(0.0, (lost + gained) / n - ((lost - gained) / n) ** 2))
    spread = Z_ONE_SIDED * null + Z_POWER * own
    root = (spread + math.sqrt(spread * spread + 4 * distance)) / (2 * distance)  # √N
    needed = max(math.ceil(root * root), fewest_examples(margin) if margin > 0 else 0)
    return needed if needed <= FARTHEST * n else None


def _variance_at(lost: float, gained: float, margin: float) -> float:
    """2 q̂ + δ(1 − δ) for shares lost and gained, as in `within_margin`."""
    linear = lost * (1 + margin) + gained * (1 - margin) - 2 * margin
    constant = gained * margin * (1 - margin)
    share = max(0.0, (linear + math.sqrt(linear * linear + 8 * constant)) / 4)
    return 2 * share + margin * (1 - margin)


def needs(study: Study, safe: SafeSparsity) -> tuple[Need, ...]:
    """What would confirm every level up to the best guess: for each measure that leaves one in
    doubt, the level that needs most examples.
    """
    margin, found = safe.points / 100, dict[str, Need]()
    for level, of_level in zip(study.levels, losses(study), strict=True):
        if not safe.sure < level.sparsity <= safe.sparsity:
            continue
        for loss in of_level:
            if within_margin(loss.lost, loss.gained, loss.n, margin) <= ALPHA:
                continue  # confirmed already
            examples = needed_examples(loss.lost, loss.gained, loss.n, margin)
            if examples is not None:
                examples = max(examples, loss.n + 1)
            need = Need(loss.measure, level.sparsity, loss.n, examples)
            if loss.measure not in found or _more(need, found[loss.measure]):
                found[loss.measure] = need
    return tuple(found.values())


def _more(need: Need, other: Need) -> bool:
    return other.examples is not None and (need.examples is None or need.examples > other.examples)


def need_sentence(need: Need, guess: float) -> str:
    """What to measure to be sure of the best guess."""
    what = "attacked" if need.measure == "aua" else "evaluated"
    if need.examples is None:
        return (
            f"At {100 * need.sparsity:g}% the measured loss is so close to the tolerance that no "
            f"reasonable number of {what} examples would decide."
        )
    return (
        f"To be sure of {100 * guess:g}%, plan about {_rounded(need.examples):,} {what} examples "
        f"in place of {need.measured:,}, if the models go on differing as often."
    )


def _rounded(count: int) -> int:
    """Two significant digits, upwards."""
    step = max(10, 10 ** (len(str(count)) - 2))
    return math.ceil(count / step) * step

"""What to measure next: how many more examples would make the safe sparsity more certain."""

import math
from dataclasses import dataclass

from prunescope.engine.evaluation.margins import Z_ONE_SIDED, fewest_examples, within_margin
from prunescope.engine.reading.safety import ALPHA, Loss, SafeSparsity, losses
from prunescope.engine.records import Study

POWER = 0.8  # how often the examples are to suffice
Z_POWER = 0.8416212335729143  # its quantile of the normal distribution
FARTHEST = 100  # times as many examples as were measured: beyond that no number is named


@dataclass(frozen=True, slots=True)
class ExamplesNeeded:
    """The examples that it would take to be sure of a sparsity; 0 where a measure has enough."""

    sparsity: float
    attacked: int
    evaluated: int


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


def need_of(study: Study, safe: SafeSparsity) -> ExamplesNeeded | None:
    """What it would take to be sure of the best guess, or of the highest level below it for which
    a reasonable number of examples would do; None where nothing is in doubt or nothing would do.
    """
    doubtful = [
        (level.sparsity, of_level)
        for level, of_level in zip(study.levels, losses(study), strict=True)
        if safe.sure < level.sparsity <= safe.sparsity
    ]
    best = None
    counts = {"acc": 0, "aua": 0}
    for sparsity, of_level in doubtful:  # to be sure of a level is to be sure of those below it
        for loss in of_level:
            if (count := _count(loss, safe.points / 100)) is None:
                return best
            counts[loss.measure] = max(counts[loss.measure], count)
        best = ExamplesNeeded(sparsity, counts["aua"], counts["acc"])
    return best


def _count(loss: Loss, margin: float) -> int | None:
    """The examples that would confirm a loss; 0 where those that there are have done so."""
    if within_margin(loss.lost, loss.gained, loss.n, margin) <= ALPHA:
        return 0
    needed = needed_examples(loss.lost, loss.gained, loss.n, margin)
    return None if needed is None else max(needed, loss.n + 1)


def next_steps(study: Study, safe: SafeSparsity) -> tuple[str, ...]:
    """What to measure next, one a sentence; empty where nothing would add to the answer."""
    sentences, need = list[str](), need_of(study, safe)
    if safe.sure < safe.sparsity and (need is None or need.sparsity < safe.sparsity):
        sentences.append(
            f"{100 * safe.sparsity:g}% stays open: its measured loss is so close to the tolerance "
            "that no reasonable number of examples would decide."
        )
    if need is not None:
        sentences += _plan(study, need)
    last = study.levels[-1].sparsity
    if safe.sparsity == last and last:
        sentences.append(
            f"Nothing sparser than {100 * last:g}% was measured: check sparser levels to find "
            "where it breaks."
        )
    elif safe.sparsity == 0 and len(study.levels) > 1:
        sentences.append(
            f"Check levels below {100 * study.levels[1].sparsity:g}%, or allow a larger tolerance."
        )
    return tuple(sentences)


def _plan(study: Study, need: ExamplesNeeded) -> list[str]:
    counts, spec = study.about["counts"], study.about["spec"]
    parts = [
        f"{_rounded(count):,} {what} examples in place of {counts[name]:,}"
        for count, what, name in (
            (need.attacked, "attacked", "attacked"),
            (need.evaluated, "evaluated", "evaluation"),
        )
        if count
    ]
    sentences = [
        f"To be sure of {100 * need.sparsity:g}%, plan about {' and '.join(parts)}, if the models "
        "go on differing as often as they did."
    ]
    most = max(need.attacked, need.evaluated)
    if most > counts["evaluation"] and counts["evaluation"] < spec.get("eval_examples", 0):
        sentences.append(
            f"The data has {counts['evaluation']:,} rows to evaluate: bring about "
            f"{most / counts['evaluation']:.1f} times as many."
        )
    return sentences


def _rounded(count: int) -> int:
    """Two significant digits, upwards."""
    step = int(10 ** max(1, len(str(count)) - 2))
    return math.ceil(count / step) * step

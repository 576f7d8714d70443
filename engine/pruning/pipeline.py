"""Prune a victim to one sparsity or to many: the door of this room."""

from collections.abc import Iterator, Sequence

from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.checks import check_plan
from prunescope.engine.pruning.data_free import prune_without_text
from prunescope.engine.pruning.layerwise import LayerwisePruner
from prunescope.engine.pruning.measurements import SharedMeasurements
from prunescope.engine.pruning.methods import Method
from prunescope.engine.pruning.plan import Plan, Pruned


def prune(
    victim: Victim,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    plan: Plan | Method,
    sparsity: float,
    report: Progress = SILENT,
) -> Pruned:
    """One sparsity of `prune_levels`."""
    return next(prune_levels(victim, texts, pairs, plan, (sparsity,), report))


def prune_levels(
    victim: Victim,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    plan: Plan | Method,
    levels: Sequence[float],
    report: Progress = SILENT,
    shared: SharedMeasurements | None = None,
) -> Iterator[Pruned]:
    """Prune every block's linears to each sparsity of `levels`, in one pass where memory allows;
    the victim is left as it is.

    `texts` (and `pairs`) are the calibration set; labels are not used. `shared` spares a later call
    with the same victim, texts and plan what is measured once. The results come in the order of
    `levels` and equal those of separate passes. Raises SettingError for a sparsity outside [0, 1)
    or out of the pattern's reach, and for an empty or too small calibration set; ModelError for
    weights that are not finite; NumericalError when a layer's statistics stay singular.
    """
    plan = plan if isinstance(plan, Plan) else Plan.named(plan)
    for level in levels:
        plan.pattern.check_level(level)
    shares = check_plan(victim, plan)
    if not plan.method.calibrated or not any(levels):
        return (prune_without_text(victim, plan, shares, level) for level in levels)
    pruner = LayerwisePruner(
        victim, texts, pairs, plan, shares, report, shared or SharedMeasurements()
    )
    return pruner.run(levels)

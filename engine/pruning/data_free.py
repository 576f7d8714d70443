"""Prune without calibration text: by magnitude, or not at all."""

import torch

from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.allocation import Shares
from prunescope.engine.pruning.checks import notices_of_zeros
from prunescope.engine.pruning.groups import layer_report
from prunescope.engine.pruning.plan import Plan, Pruned, level_name
from prunescope.engine.pruning.solvers import prune_by_magnitude


@torch.no_grad()
def prune_without_text(victim: Victim, plan: Plan, shares: Shares, sparsity: float) -> Pruned:
    """A sparsity that needs no calibration text: 0, or the smallest magnitudes removed."""
    pruned = victim.copy()
    pruned.name = level_name(victim.name, sparsity)
    reports, by_layer = [], shares.at(sparsity)
    for layer, weight in pruned.prunable().items():
        if share := by_layer[layer]:
            weight.copy_(prune_by_magnitude(weight, plan.pattern, share))
        reports.append(layer_report(layer, weight, share, 0, None, 0.0))
    notices = notices_of_zeros(victim, pruned, plan, reports, sparsity)
    return Pruned(pruned, sparsity, tuple(reports), notices)

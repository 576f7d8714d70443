"""What is checked before a victim is pruned, and what a person should know afterwards."""

import math
from collections.abc import Sequence

import torch

from prunescope.engine.errors import ModelError, SettingError
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.allocation import Shares, parse_layers
from prunescope.engine.pruning.plan import LayerReport, Plan

# calibration tokens per input of a layer; below, the statistics are noisy and a notice says so
ENOUGH = 3.0
# share of the prunable weights from which zeros that the dense model already had are worth a notice
NOTICED = 1e-3


def check_plan(victim: Victim, plan: Plan) -> Shares:
    """The shares of a victim's layers. Raises SettingError where the plan does not fit it,
    ModelError for NaN or Inf.
    """
    weights = victim.prunable()
    for layer, weight in weights.items():
        plan.pattern.check_width(layer, weight.shape[1])
        if not bool(torch.isfinite(weight).all()):
            raise ModelError(
                f"Layer {layer} of {victim.name} contains NaN or Inf; load an undamaged checkpoint."
            )
    sizes = tuple(weight.numel() for weight in weights.values())
    return Shares(tuple(weights), sizes, plan.pattern, parse_layers(plan.layers))


def check_tokens(victim: Victim, plan: Plan, tokens: int, texts: int) -> tuple[str, ...]:
    """Whether `tokens` calibration tokens of `texts` texts are enough for the widest layer.

    Gives a notice below ENOUGH tokens per input. Raises SettingError below one, unless forced.
    """
    if not plan.method.factored:
        return ()  # norms of inputs need few tokens
    layer, weight = max(victim.prunable().items(), key=lambda item: item[1].shape[1])
    inputs = weight.shape[1]
    ratio = tokens / inputs
    finding = (
        f"{tokens} calibration tokens are {ratio:.2f} for each of the {inputs} inputs of layer "
        f"{layer}"
    )
    if ratio < 1 and not plan.force:
        needed = math.ceil(texts / max(ratio, 1e-9))
        raise SettingError(
            f"{finding}; below one the statistics are singular: give more calibration text, about "
            f"{needed} texts like these {texts} or more, or `force` it."
        )
    if ratio < ENOUGH:
        return (f"{finding}; below about {ENOUGH:g} the statistics are noisy.",)
    return ()


def notices_of_architecture(victim: Victim, plan: Plan) -> tuple[str, ...]:
    """What a method leaves out for a victim's architecture."""
    architecture, method = victim.architecture, plan.method
    if architecture.runs > 1 and (method.target != "none" or method.inputs == "sparse"):
        return (
            f"The blocks of {victim.name} share their weights, so they are pruned once, from what "
            f"the dense model's layers read in all of their {architecture.runs} runs, and no "
            "target is corrected, that of a head included.",
        )
    if method.residual and not any(group.residual for group in architecture.groups):
        return (
            f"{victim.name} adds nothing to the outputs of its linear layers directly, so the "
            "target leaves the drift of the residual stream out.",
        )
    return ()


def notices_of_zeros(
    dense: Victim, pruned: Victim, plan: Plan, reports: Sequence[LayerReport], sparsity: float
) -> tuple[str, ...]:
    """Notices about zeros that the dense model already had: where they make the pruned model
    sparser than requested, and where they hold weights again.
    """
    before, after = dense.prunable(), pruned.prunable()
    total, initial, refilled, excess = 0, 0, 0, 0
    for report in reports:
        rows, width = before[report.layer].shape
        zeros = before[report.layer] == 0
        total += report.weights
        initial += int(zeros.sum())
        refilled += int((after[report.layer][zeros] != 0).sum())
        if report.requested:
            excess += report.zeros - plan.pattern.zeros(rows, width, report.requested)
    dense_share = 100 * initial / total
    pruned_share = 100 * sum(report.zeros for report in reports) / total
    notices = []
    if initial and excess >= NOTICED * total:
        notices.append(
            f"The dense model already has {dense_share:.1f}% zeros. Layers that have more than "
            f"their share keep them, so the sparsity is {pruned_share:.1f}% where "
            f"{100 * sparsity:g}% was requested."
        )
    if refilled >= NOTICED * total:
        notices.append(
            f"{100 * refilled / initial:.1f}% of the dense model's zeros hold weights again, "
            f"because other weights were removed: it had {dense_share:.1f}% zeros, the pruned "
            f"model has {pruned_share:.1f}%."
        )
    return tuple(notices)

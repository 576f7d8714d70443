"""Blocks that share their weights, as ALBERT's: their statistics over all of their runs."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor

from prunescope.engine.models.forward import Batch, inputs_of, read_batch
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.groups import Group
from prunescope.engine.pruning.statistics import Gram

# (group, batches) → ω of every token of every batch, None where all tokens count alike
TokenWeights = Callable[[Group, Sequence[Batch]], Sequence[Tensor | None]]


def shared_grams(
    victim: Victim,
    groups: Sequence[Group],
    centre: bool,
    batches: Iterable[Batch],
    token_weights: TokenWeights,
    tick: Callable[[], None],
) -> list[Gram]:
    """H of every group over all runs of the dense model's blocks, H = Σ ω x xᵀ / Σ ω.

    No run's input in the pruned model is known before all groups are pruned, so there is no drift.
    """
    grams = [Gram(torch.cat(group.weights).float(), centre) for group in groups]
    paths = [victim.architecture.paths[group.layers[0]] for group in groups]
    for batch in batches:
        tick()
        with ExitStack() as stack:
            for group, gram, path in zip(groups, grams, paths, strict=True):
                (weights,) = token_weights(group, [batch])
                linear = victim.model.get_submodule(path)
                stack.enter_context(inputs_of(linear, partial(_add, gram, batch, weights)))
            read_batch(victim.model, victim.architecture, batch)
    return grams


def _add(gram: Gram, batch: Batch, weights: Tensor | None, value: Tensor) -> None:
    gram.add(batch.real(value).float(), None, weights)

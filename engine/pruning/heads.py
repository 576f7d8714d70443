"""Re-target the linears of a pruned victim's head by P1's Eq. 5; they are not pruned."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.engine.models.forward import Batch, inputs_of, read_batch
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.methods import P1_RIDGE
from prunescope.engine.pruning.precision import in_double
from prunescope.engine.pruning.statistics import Gram
from prunescope.engine.pruning.targets import factorise, p1_target


def retarget(linear: nn.Linear, dense_input: Tensor, pruned_input: Tensor) -> None:
    """W ← W X_d X_sᵀ (X_s X_sᵀ + 1e-4 I)⁻¹ for a linear of the head.

    Its inputs in both models are of the calibration sentences, (sentences, d_in). Everything is
    computed in float64, because the ridge damps hardly anything.
    """
    weight, reference = in_double(linear.weight.detach()), in_double(dense_input)
    gram = Gram(weight)
    if gram.by_outputs:
        reference = functional.linear(reference, weight)
    gram.add(in_double(pruned_input), reference)
    factor = factorise(gram.hessian(), P1_RIDGE / gram.mass, absolute=True)
    target = p1_target(weight, gram.drift(), factor).to(linear.weight)
    linear.weight = nn.Parameter(target, requires_grad=linear.weight.requires_grad)


@torch.no_grad()
def head_inputs(
    victim: Victim, texts: Sequence[str], pairs: Sequence[str] | None
) -> list[tuple[nn.Linear, Tensor]]:
    """The linears of the head in the order in which they run, each with its input over the texts
    (texts, d_in).
    """
    architecture = victim.architecture
    linears = [victim.model.get_submodule(path) for path in architecture.heads]
    inputs = [torch.empty(len(texts), linear.in_features) for linear in linears]
    for batch in victim.batches(texts, pairs):
        rows = torch.tensor(batch.rows)

        def take(whole: Tensor, value: Tensor, rows: Tensor = rows, batch: Batch = batch) -> None:
            whole[rows] = batch.read_by_head(value, architecture.reads).float().cpu()

        with ExitStack() as stack:
            for linear, whole in zip(linears, inputs, strict=True):
                stack.enter_context(inputs_of(linear, partial(take, whole)))
            read_batch(victim.model, architecture, batch)
    return list(zip(linears, inputs, strict=True))

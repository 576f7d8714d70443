"""Re-solve a pruned victim's pooler and classifier by the seed paper's Eq. 5; they are corrected,
not pruned.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.methods import P1_RIDGE
from prunescope.engine.pruning.statistics import Gram, in_double
from prunescope.engine.pruning.targets import factorise, p1_target


def resolve_heads(dense: Victim, sparse: Victim, dense_cls: Tensor, sparse_cls: Tensor) -> None:
    """W ← W X_d X_sᵀ (X_s X_sᵀ + 1e-4 I)⁻¹ for every linear behind the encoder, in the order in
    which they run.

    The embeddings are the last [CLS] of the calibration sentences in both models, (sentences,
    width).
    """
    for place in range(len(head_inputs(dense, dense_cls))):
        _, wanted = head_inputs(dense, dense_cls)[place]
        linear, given = head_inputs(sparse, sparse_cls)[place]
        weight, wanted = (
            in_double(linear.weight.detach()),
            in_double(wanted),
        )  # the ridge damps hardly anything
        gram = Gram(weight)
        gram.add(
            in_double(given),
            torch.nn.functional.linear(wanted, weight) if gram.by_outputs else wanted,
        )
        ridge = P1_RIDGE / gram.mass
        factor = factorise(gram.hessian(), ridge, absolute=True)
        solved = p1_target(weight, gram.drift(), factor).to(linear.weight)
        linear.weight = nn.Parameter(solved, requires_grad=linear.weight.requires_grad)


def head_inputs(victim: Victim, cls: Tensor) -> list[tuple[nn.Linear, Tensor]]:
    """The linears of the head as they run on [CLS] embeddings, each with its input (sentences,
    d_in).
    """
    with _watched(victim.model) as seen:
        victim.family.head(victim.model, cls)
    return seen


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[tuple[nn.Linear, Tensor]]]:
    seen: list[tuple[nn.Linear, Tensor]] = []

    def watch(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.Linear):
            seen.append((module, inputs[0].reshape(-1, module.in_features)))

    hooks = [
        module.register_forward_pre_hook(watch)
        for module in model.modules()
        if isinstance(module, nn.Linear)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()

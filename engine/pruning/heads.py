"""Re-target a pruned victim's pooler and classifier by P1's Eq. 5; they are not pruned."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn import functional

from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.methods import P1_RIDGE
from prunescope.engine.pruning.precision import in_double
from prunescope.engine.pruning.statistics import Gram
from prunescope.engine.pruning.targets import factorise, p1_target


def retarget_heads(dense: Victim, pruned: Victim, dense_cls: Tensor, pruned_cls: Tensor) -> None:
    """W ← W X_d X_sᵀ (X_s X_sᵀ + 1e-4 I)⁻¹ for every linear after the encoder, in the order in
    which they run.

    The embeddings are the last [CLS] of the calibration sentences in both models, (sentences,
    width). Everything is computed in float64, because the ridge damps hardly anything.
    """
    for index in range(len(head_inputs(dense, dense_cls))):
        _, dense_input = head_inputs(dense, dense_cls)[index]
        linear, pruned_input = head_inputs(pruned, pruned_cls)[index]
        weight, reference = in_double(linear.weight.detach()), in_double(dense_input)
        gram = Gram(weight)
        if gram.by_outputs:
            reference = functional.linear(reference, weight)
        gram.add(in_double(pruned_input), reference)
        factor = factorise(gram.hessian(), P1_RIDGE / gram.mass, absolute=True)
        target = p1_target(weight, gram.drift(), factor).to(linear.weight)
        linear.weight = nn.Parameter(target, requires_grad=linear.weight.requires_grad)


def head_inputs(victim: Victim, cls: Tensor) -> list[tuple[nn.Linear, Tensor]]:
    """The linears of the head in the order in which they run on [CLS] embeddings (sentences,
    width), each with its input (sentences, d_in).
    """
    with _recorded_inputs(victim.model) as inputs:
        victim.family.head(victim.model, cls)
    return inputs


@contextmanager
def _recorded_inputs(model: nn.Module) -> Iterator[list[tuple[nn.Linear, Tensor]]]:
    """Every linear that runs within the block, with its input."""
    recorded: list[tuple[nn.Linear, Tensor]] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.Linear):
            recorded.append((module, inputs[0].reshape(-1, module.in_features)))

    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    hooks = [linear.register_forward_pre_hook(record) for linear in linears]
    try:
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()

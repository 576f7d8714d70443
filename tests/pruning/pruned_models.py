"""What the pruning tests compare of pruned models."""

import torch
from torch import Tensor

from prunescope.engine.models.fingerprint import weights_sha256
from prunescope.engine.models.victim import Victim


def zeros(tensor: Tensor) -> int:
    """How many numbers are zero."""
    return int((tensor == 0).sum())


def same_weights(first: Victim, second: Victim) -> bool:
    """Whether two models are equal to the bit."""
    return weights_sha256(first.model) == weights_sha256(second.model)


def changed_parameters(dense: Victim, pruned: Victim) -> set[str]:
    """Names in the state of the model that differ, those of prunable weights left out."""
    ours = {weight.data_ptr() for weight in pruned.prunable().values()}
    before = dense.model.state_dict()
    after = pruned.model.state_dict()
    others = [key for key, value in after.items() if value.data_ptr() not in ours]
    assert len(after) - len(others) == 12 and list(before) == list(after)
    return {key for key in others if not torch.equal(before[key], after[key])}


def output_error(dense: Victim, pruned: Victim, texts: tuple[str, ...]) -> float:
    """‖last hidden state, dense − pruned‖² over the real tokens of `texts`."""
    total = 0.0
    for batch in dense.batches(texts):
        with torch.no_grad():
            expected, actual = (
                batch.real(victim.model.bert(**batch.inputs).last_hidden_state).double()
                for victim in (dense, pruned)
            )
        total += float((expected - actual).square().sum())
    return total


def matmul_flags() -> tuple[object, ...]:
    """torch's settings of precision and of gradients."""
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.get_float32_matmul_precision(),
        torch.is_autocast_enabled("cpu"),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
    )

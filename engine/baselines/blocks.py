"""Fewer blocks: the first k of a victim's, as they are or with a head re-solved for them; and of a
pretrained checkpoint.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel

from prunescope.engine.errors import SettingError
from prunescope.engine.models.base import Base
from prunescope.engine.models.config import read_config
from prunescope.engine.models.examine import examine
from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import Victim
from prunescope.engine.models.weights import load_weights
from prunescope.engine.pruning.heads import head_inputs

RIDGE = 0.01  # of the mean diagonal, as in pruning


def first_blocks(victim: Victim, count: int) -> Victim:
    """The victim without the blocks after the first `count`; everything else is as it was, the head
    included.
    """
    blocks = len(victim.architecture.modules(victim.model))
    if not 1 <= count < blocks:
        raise SettingError(
            f"{victim.name} has {blocks} blocks and the first {count} were asked for; give 1 to "
            f"{blocks - 1}."
        )
    shallow = victim.copy()
    _cut(shallow.model.get_submodule(shallow.architecture.blocks), shallow.model.config, count)
    shallow.architecture = examine(shallow.model, victim.name)
    shallow.name, shallow.fingerprint = (
        f"{victim.name}, first {count} blocks",
        fingerprint_of(shallow.model, shallow.tokenizer),
    )
    return shallow


def _cut(blocks: nn.Module, config: Any, count: int) -> None:
    assert isinstance(blocks, nn.ModuleList)
    del blocks[count:]
    config.num_hidden_layers = count
    if kinds := getattr(config, "layer_types", None):  # a word for every block
        config.layer_types = list(kinds)[:count]


@torch.no_grad()
def head_resolved(
    dense: Victim, shallow: Victim, texts: tuple[str, ...], pairs: tuple[str, ...] | None
) -> Victim:
    """The shallow victim with its head fitted, in closed form and without labels, to what the dense
    head computes.

    For the head's first linear, with what it reads in both models centred, W ← W X_d X_sᵀ (X_s
    X_sᵀ + λI)⁻¹ and b ← b + W x̄_d − Ŵ x̄_s, λ a hundredth of the mean diagonal; the linears after
    it stay.
    """
    resolved = shallow.copy()
    (linear, dense_inputs), (own, inputs) = (
        head_inputs(victim, texts, pairs)[0] for victim in (dense, resolved)
    )
    device = linear.weight.device
    weight, bias = _fitted(linear, dense_inputs.double().to(device), inputs.double().to(device))
    own.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        own.bias = nn.Parameter(bias, requires_grad=False)
    resolved.name, resolved.fingerprint = (
        f"{shallow.name}, head re-solved",
        fingerprint_of(resolved.model, resolved.tokenizer),
    )
    return resolved


def _fitted(
    linear: nn.Linear, dense_inputs: Tensor, inputs: Tensor
) -> tuple[Tensor, Tensor | None]:
    """(weight (d_out, d_in), bias (d_out,)) that give on `inputs` (sentences, d_in) what `linear`
    gives on `dense_inputs`; no bias, and nothing centred, where the linear has none.
    """
    bias: Tensor | None = linear.bias
    target = dense_inputs @ linear.weight.double().T  # (sentences, d_out)
    mean, centre = inputs.new_zeros(inputs.shape[1]), target.new_zeros(target.shape[1])
    if bias is not None:
        target = target + bias.double()
        mean, centre = inputs.mean(dim=0), target.mean(dim=0)
    centred = inputs - mean
    gram = centred.T @ centred
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    weight = torch.linalg.solve(gram, centred.T @ (target - centre)).T
    return (
        weight.float().contiguous(),
        None if bias is None else (centre - weight @ mean).float(),
    )


def shallow_base(base: Base, count: int, folder: Path) -> Path:
    """Write the first `count` blocks of a pretrained checkpoint, with its embeddings and tokenizer,
    as one to start from.
    """
    config = read_config(base.folder, local_only=True)
    model = load_weights(AutoModel, base.folder, config, base.name, local_only=True).model
    listed = model.get_submodule(
        base.architecture.blocks.removeprefix(f"{base.architecture.body}.")
    )
    blocks = len(listed)
    if not 1 <= count < blocks:
        raise SettingError(
            f"{base.name} has {blocks} blocks and the first {count} were asked for; give 1 to "
            f"{blocks - 1}."
        )
    _cut(listed, model.config, count)
    model.save_pretrained(folder, safe_serialization=True)
    base.tokenizer.save_pretrained(folder)
    return folder

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
from prunescope.engine.models.families import Family
from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import Victim
from prunescope.engine.models.weights import load_weights
from prunescope.engine.pruning.heads import head_inputs

RIDGE = 0.01  # of the mean diagonal, as in pruning


def first_blocks(victim: Victim, count: int) -> Victim:
    """The victim without the blocks after the first `count`; everything else is as it was, the head
    included.
    """
    blocks = len(victim.family.modules(victim.model))
    if not 1 <= count < blocks:
        raise SettingError(
            f"{victim.name} has {blocks} blocks and the first {count} were asked for; give 1 to "
            f"{blocks - 1}."
        )
    made = victim.copy()
    _cut(made.family, getattr(made.model, made.family.body), made.model.config, count)
    made.name, made.fingerprint = (
        f"{victim.name}, first {count} blocks",
        fingerprint_of(made.model, made.tokenizer),
    )
    return made


def _cut(family: Family, body: nn.Module, config: Any, count: int) -> None:
    blocks = body.get_submodule(family.layout.blocks)
    assert isinstance(blocks, nn.ModuleList)
    del blocks[count:]
    config.num_hidden_layers = count


@torch.no_grad()
def head_resolved(
    dense: Victim, shallow: Victim, texts: tuple[str, ...], pairs: tuple[str, ...] | None
) -> Victim:
    """The shallow victim with its head fitted, in closed form and without labels, to what the dense
    head computes.

    For the head's first linear, with the last [CLS] of both models centred, W ← W X_d X_sᵀ (X_s
    X_sᵀ + λI)⁻¹ and b ← b + W x̄_d − Ŵ x̄_s, λ a hundredth of the mean diagonal; the linears after
    it stay.
    """
    made = shallow.copy()
    (linear, wanted), (own, given) = (
        head_inputs(victim, victim.read(texts, pairs)[1])[0] for victim in (dense, made)
    )
    weight, bias = _fitted(linear, wanted.double(), given.double())
    own.weight, own.bias = (
        nn.Parameter(weight, requires_grad=False),
        nn.Parameter(bias, requires_grad=False),
    )
    made.name, made.fingerprint = (
        f"{shallow.name}, head re-solved",
        fingerprint_of(made.model, made.tokenizer),
    )
    return made


def _fitted(linear: nn.Linear, wanted: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """(weight (d_out, d_in), bias (d_out,)) that give on `given` (sentences, d_in) what `linear`
    gives on `wanted`.
    """
    target = wanted @ linear.weight.double().T + linear.bias.double()  # (sentences, d_out)
    mean, centre = given.mean(dim=0), target.mean(dim=0)
    centred = given - mean
    gram = centred.T @ centred
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    weight = torch.linalg.solve(gram, centred.T @ (target - centre)).T
    return weight.float().contiguous(), (centre - weight @ mean).float()


def shallow_base(base: Base, count: int, folder: Path) -> Path:
    """Write the first `count` blocks of a pretrained checkpoint, with its embeddings and tokenizer,
    as one to start from.
    """
    config = read_config(base.folder, local_only=True)
    model = load_weights(AutoModel, base.folder, config, base.name, local_only=True).model
    blocks = len(model.get_submodule(base.family.layout.blocks))
    if not 1 <= count < blocks:
        raise SettingError(
            f"{base.name} has {blocks} blocks and the first {count} were asked for; give 1 to "
            f"{blocks - 1}."
        )
    _cut(base.family, model, model.config, count)
    model.save_pretrained(folder, safe_serialization=True)
    base.tokenizer.save_pretrained(folder)
    return folder

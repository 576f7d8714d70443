"""Average members into one dense victim, weights only: W̄ = 1/k Σ W_i over members that share their architecture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from engine.errors import ModelError


def average_states(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Key by key mean of floating tensors, accumulated in float64; integer buffers are the first member's.

    Raises ModelError naming the first key that is missing or has another shape in a member.
    """
    first = states[0]
    for position, state in enumerate(states[1:], start=2):
        for name in sorted(set(first) ^ set(state)):
            raise ModelError(f"Member {position} cannot be averaged with member 1: only one of them has {name}.")
        for name, tensor in state.items():
            if tensor.shape != first[name].shape:
                raise ModelError(
                    f"Member {position} cannot be averaged with member 1: {name} is {tuple(tensor.shape)}, "
                    f"not {tuple(first[name].shape)}."
                )
    return {name: _mean([state[name] for state in states]) for name in first}


def _mean(tensors: list[Tensor]) -> Tensor:
    if not tensors[0].is_floating_point():
        return tensors[0].clone()
    return torch.stack([tensor.double() for tensor in tensors]).mean(dim=0).to(tensors[0].dtype)


def merged_member(base: Path, adapter: Path) -> Any:
    """The base model with one adapter merged into its weights, an ordinary classifier."""
    num_labels = _labels_of(adapter)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=num_labels, use_safetensors=True, local_files_only=True
    )
    with_adapter = PeftModel.from_pretrained(model, str(adapter), torch_dtype=torch.float32)
    return with_adapter.merge_and_unload().float()


def _labels_of(adapter: Path) -> int:
    from safetensors import safe_open

    with safe_open(str(adapter / "adapter_model.safetensors"), framework="pt") as file:
        heads = [key for key in file.keys() if key.endswith("classifier.weight")]  # noqa: SIM118
        if not heads:
            raise ModelError(f"{adapter} holds no classifier; only adapters made by `python -m engine members` can be used.")
        return int(file.get_slice(heads[0]).get_shape()[0])


def average_adapters(base: Path, adapters: Sequence[Path]) -> Any:
    """Merge each adapter into the base and average the results."""
    if not adapters:
        raise ModelError("There are no members to average; the list is empty.")
    members = [merged_member(base, adapter) for adapter in adapters]
    model = members[0]
    model.load_state_dict(average_states([member.state_dict() for member in members]))
    return model

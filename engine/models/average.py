"""Average members into one dense victim, weights only: W̄ = 1/k Σ W_i over members that share their architecture."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from engine.errors import ModelError
from engine.models.config import read_config
from engine.models.families import LAST
from engine.models.files import first_line
from engine.models.weights import load_weights


class Mean:
    """The mean of members' weights, one member at a time, accumulated in float64; integer buffers are the first member's."""

    def __init__(self) -> None:
        self._count, self._first = 0, ""
        self._sums: dict[str, Tensor] = {}
        self._types: dict[str, torch.dtype] = {}

    def add(self, name: str, state: Mapping[str, Tensor]) -> None:
        """Take a member in. Raises ModelError naming the first weight that only one has, or that has another shape."""
        if not self._count:
            self._first = name
            self._types = {key: value.dtype for key, value in state.items()}
            self._sums = {
                key: value.double() + 0.0 if value.is_floating_point() else value.clone() for key, value in state.items()
            }
        else:
            self._check(name, state)
            for key, value in state.items():
                if value.is_floating_point():
                    self._sums[key] += value
        self._count += 1

    def _check(self, name: str, state: Mapping[str, Tensor]) -> None:
        for key in sorted(set(self._sums) ^ set(state)):
            raise ModelError(f"{name} cannot be averaged with {self._first}: only one of them has {key}.")
        for key, value in state.items():
            if value.shape != self._sums[key].shape:
                raise ModelError(f"{name} cannot be averaged with {self._first}: {key} is {tuple(value.shape)}, not "
                                 f"{tuple(self._sums[key].shape)}.")  # fmt: skip

    def value(self) -> dict[str, Tensor]:
        """W̄ = 1/k Σ W_i."""
        return {
            name: (total / self._count).to(self._types[name]) if total.is_floating_point() else total
            for name, total in self._sums.items()
        }


def merged_member(base: Path, adapter: Path) -> Any:
    """The base model with one adapter merged into its weights, an ordinary classifier.

    Raises ModelError for an adapter that cannot be read, or that is for another base.
    """
    try:
        config = read_config(base, local_only=True)
        config.num_labels = _labels_of(adapter)
        model = load_weights(
            AutoModelForSequenceClassification, base, config, base.name, local_only=True
        ).model
        with warnings.catch_warnings():  # peft only warns where the adapter has other names than its config
            warnings.filterwarnings("error", "(?s).*Found missing adapter keys")
            with_adapter = PeftModel.from_pretrained(model, str(adapter), torch_dtype=torch.float32)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, UserWarning) as error:
        raise ModelError(
            f"The adapter {adapter} cannot be opened over {base} ({first_line(error)}); "
            "copy its folder again, or train the member again."
        ) from error
    return with_adapter.merge_and_unload().float()


def _labels_of(adapter: Path) -> int:
    from safetensors import safe_open

    with safe_open(str(adapter / "adapter_model.safetensors"), framework="pt") as file:
        heads = [key for key in file.keys() if key.endswith(tuple(f"{name}.weight" for name in LAST))]  # noqa: SIM118
        if not heads:
            raise ModelError(f"{adapter} holds no classifier; only adapters made by `python -m engine members` can be used.")
        return int(file.get_slice(heads[0]).get_shape()[0])


def average_adapters(base: Path, adapters: Sequence[Path]) -> Any:
    """Merge each adapter into the base and average the results."""
    if not adapters:
        raise ModelError("There are no members to average; the list is empty.")
    mean, model = Mean(), merged_member(base, adapters[0])
    mean.add(adapters[0].name, model.state_dict())
    for adapter in adapters[1:]:
        mean.add(adapter.name, merged_member(base, adapter).state_dict())
    model.load_state_dict(mean.value())
    return model

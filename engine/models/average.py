"""Average members into one dense victim, weights only: W̄ = 1/k Σ W_i over members that share their
architecture.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from prunescope.engine.errors import ModelError
from prunescope.engine.formatting import error_line
from prunescope.engine.models.adapters import is_ordinary, merged_state, old_names
from prunescope.engine.models.architecture import LAST
from prunescope.engine.models.config import read_config
from prunescope.engine.models.weights import load_weights


class WeightAverage:
    """The mean of members' weights, one member at a time, accumulated in float64; integer buffers
    are the first member's.

    A tensor that is the same in all members so far, as the embeddings of adapters' are, is kept
    once, in its own precision.
    """

    def __init__(self) -> None:
        self._count, self._name = 0, ""
        self._first: dict[str, Tensor] = {}
        self._sums: dict[str, Tensor] = {}  # of the tensors that differ

    def add(self, name: str, state: Mapping[str, Tensor]) -> None:
        """Take a member in, whose tensors stay as they are until the mean is taken.

        Raises ModelError naming the first weight that only one has, or that has another shape.
        """
        if not self._count:
            self._name, self._first = name, dict(state)
        else:
            self._check(name, state)
            for key, value in state.items():
                self._add(key, value)
        self._count += 1

    def _add(self, key: str, value: Tensor) -> None:
        first = self._first[key]
        if not value.is_floating_point() or (key not in self._sums and _equal(value, first)):
            return
        if key not in self._sums:
            self._sums[key] = torch.zeros_like(first, dtype=torch.float64)
            for _ in range(self._count):
                self._sums[key] += first
            self._first[key] = first.to("meta")  # of which its shape and type are still asked for
        self._sums[key] += value

    def _check(self, name: str, state: Mapping[str, Tensor]) -> None:
        for key in sorted(set(self._first) ^ set(state)):
            raise ModelError(
                f"{name} cannot be averaged with {self._name}: only one of them has {key}."
            )
        for key, value in state.items():
            if value.shape != self._first[key].shape:
                raise ModelError(
                    f"{name} cannot be averaged with {self._name}: {key} is {tuple(value.shape)}, "
                    f"not {tuple(self._first[key].shape)}."
                )

    def value(self) -> dict[str, Tensor]:
        """W̄ = 1/k Σ W_i."""
        return dict(self.items())

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors of W̄ with their names, one after the other."""
        for name, first in self._first.items():
            yield name, self._mean(name, first)

    def _mean(self, name: str, first: Tensor) -> Tensor:
        if name in self._sums:
            return (self._sums[name] / self._count).to(first.dtype)
        return first + 0.0 if first.is_floating_point() else first.clone()  # a sum has no −0


def _equal(value: Tensor, first: Tensor) -> bool:
    """Whether two tensors of one shape hold the same; what is the same memory is not read."""
    same = value.data_ptr() == first.data_ptr() and value.stride() == first.stride()
    return same or torch.equal(value, first)


def merged_member(base: Path, adapter: Path) -> Any:
    """The base model with one adapter merged into its weights, an ordinary classifier.

    Raises ModelError for an adapter that cannot be read, or that is for another base.
    """
    with _readable(base, adapter):
        model = _with_head(base, adapter)
        from peft import PeftModel  # late: it takes longer than PyTorch

        with old_names():  # an own set of filters
            # peft only warns where the adapter has other names than its config.
            warnings.filterwarnings("error", "(?s).*Found missing adapter keys")
            with_adapter = PeftModel.from_pretrained(model, str(adapter), torch_dtype=torch.float32)
    return with_adapter.merge_and_unload().float()


@contextmanager
def _readable(base: Path, adapter: Path) -> Iterator[None]:
    """Whatever a damaged adapter raises, as a ModelError."""
    try:
        yield
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        SafetensorError,
        UserWarning,
    ) as error:
        raise ModelError(
            f"The adapter {adapter} cannot be opened over {base} ({error_line(error)}); "
            "copy its folder again, or train the member again."
        ) from error


def _with_head(base: Path, adapter: Path) -> Any:
    """The base as a classifier with as many labels as an adapter's, its head drawn at random."""
    config = read_config(base, local_only=True)
    config.num_labels = _labels_of(adapter)
    return load_weights(
        AutoModelForSequenceClassification, base, config, base.name, local_only=True
    ).model


def _member_state(base: Path, state: Mapping[str, Tensor], adapter: Path) -> Mapping[str, Tensor]:
    """A member's tensors, of which those that its adapter leaves alone are the base's own."""
    with _readable(base, adapter):
        if is_ordinary(adapter):
            return merged_state(state, adapter)
    return dict(merged_member(base, adapter).state_dict())


def _labels_of(adapter: Path) -> int:
    from safetensors import safe_open

    with safe_open(str(adapter / "adapter_model.safetensors"), framework="pt") as file:
        heads = [
            key
            for key in file.keys()  # noqa: SIM118  not a dict
            if key.endswith(tuple(f"{name}.weight" for name in LAST))
        ]
        if not heads:
            raise ModelError(
                f"{adapter} holds no classifier; only adapters made by `prunescope members` "
                "can be used."
            )
        return int(file.get_slice(heads[0]).get_shape()[0])


def average_adapters(base: Path, adapters: Sequence[Path]) -> Any:
    """Merge each adapter into the base and average the results."""
    if not adapters:
        raise ModelError("There are no members to average; the list is empty.")
    mean = WeightAverage()
    with _readable(base, adapters[0]):
        model = _with_head(base, adapters[0])
    state = model.state_dict()
    for adapter in adapters:
        mean.add(adapter.name, _member_state(base, state, adapter))
    with torch.no_grad():
        for name, value in mean.items():
            state[name].copy_(value)
    return model

"""A linear layer of a block as (d_out, d_in), whichever way its module stores it."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

KINDS = (nn.Linear, Conv1D)  # Conv1D is GPT-2's linear, its weight stored as (d_in, d_out)


class PrunableLinear:
    """A view on one linear of a loaded model: its own weight and bias, not copies."""

    __slots__ = ("module", "turned")

    def __init__(self, module: nn.Module) -> None:
        self.module: Any = module
        self.turned = isinstance(module, Conv1D)

    @property
    def weight(self) -> Tensor:
        """W, (d_out, d_in), in the model's own memory."""
        weight: Tensor = self.module.weight.detach()
        return weight.T if self.turned else weight

    @property
    def parameter(self) -> nn.Parameter:
        """The weight as the model stores it."""
        parameter: nn.Parameter = self.module.weight
        return parameter

    @property
    def bias(self) -> Tensor | None:
        """b, (d_out,); None where the linear has none."""
        bias: Tensor | None = self.module.bias
        return bias

    def set_weight(self, weight: Tensor) -> None:
        """Take W (d_out, d_in) in the layer's own precision, with its own `requires_grad`."""
        old = self.module.weight
        stored = weight.T.contiguous() if self.turned else weight
        self.module.weight = nn.Parameter(stored.to(old), requires_grad=old.requires_grad)

    def set_bias(self, bias: Tensor) -> None:
        """Take b (d_out,) in the layer's own precision, with its own `requires_grad`."""
        old = self.module.bias
        self.module.bias = nn.Parameter(bias.to(old), requires_grad=old.requires_grad)

    def take(self, pruned: "PrunableLinear", dense: "PrunableLinear") -> None:
        """Take the weight of a pruned layer, and its bias where it is not the dense one's, without
        copying them.
        """
        self.module.weight = pruned.module.weight
        if pruned.module.bias is not dense.module.bias:
            self.module.bias = pruned.module.bias

    def as_linear(self) -> nn.Linear:
        """An nn.Linear that computes the same; the module itself where it is one."""
        if isinstance(self.module, nn.Linear):
            return self.module
        rows, columns = self.weight.shape
        with torch.device("meta"):
            linear = nn.Linear(columns, rows, bias=self.bias is not None)
        linear.weight = nn.Parameter(self.weight.contiguous(), requires_grad=False)
        if self.bias is not None:
            linear.bias = nn.Parameter(self.bias.detach(), requires_grad=False)
        return linear

"""Int8 weights with activations rounded as they come: dynamic quantisation, in a form whose answers
do not depend on a batch.

Every row of a weight has its own step s = max|w| / 127 and is stored as integers q = round(w / s),
so |w − s·q| ≤ s / 2. Every token's input is rounded the same way while the model runs, products are
summed in int32, exactly, and scaled back. Torch's own dynamic quantisation rounds a whole batch's
activations with one step, so an answer would depend on the texts beside it; an attack must not.
Embeddings, LayerNorms, biases and the head stay in single precision, as in pruning.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prunescope.engine.errors import SettingError
from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import Victim

MOST = 127  # of ±: symmetric, so zeros stay zeros


def rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(int8 (n, d), step (n, 1)) of rows (n, d): symmetric, to nearest; a row of zeros has the step
    1.
    """
    largest = rows.abs().amax(dim=1, keepdim=True)
    step = torch.where(largest > 0, largest / MOST, 1.0)
    return (rows / step).round().clamp(-MOST, MOST).to(torch.int8), step


class Int8Linear(nn.Module):
    """A linear with int8 weights whose inputs are rounded token by token."""

    weight: Tensor  # int8 (d_out, d_in)
    step: Tensor  # (d_out,)
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        whole, step = rounded(linear.weight.detach())
        # columns lie together: that is how the product reads them
        self.register_buffer("weight", whole.T.contiguous().T)
        self.register_buffer("step", step[:, 0])
        bias: Tensor | None = linear.bias
        self.register_buffer("bias", None if bias is None else bias.detach().clone())

    def forward(self, value: Tensor) -> Tensor:
        """(…, d_in) → (…, d_out)."""
        whole, step = rounded(value.reshape(-1, value.shape[-1]))
        out: Tensor = torch._int_mm(whole, self.weight.T).float() * step * self.step
        if self.bias is not None:
            out += self.bias
        return out.reshape(*value.shape[:-1], -1)


def in_int8(victim: Victim) -> Victim:
    """The victim with the linears of its blocks in int8. Raises SettingError off the CPU."""
    if victim.device.type != "cpu":
        raise SettingError(
            f"int8 is measured on the CPU, not on {victim.device}; use `device=cpu`, or leave it "
            "out with `no_int8`."
        )
    quantized = victim.copy()
    for layer, linear in quantized.linears().items():
        path = quantized.architecture.paths[layer]
        quantized.model.set_submodule(path, Int8Linear(linear.as_linear()))
    quantized.name, quantized.fingerprint = (
        f"{victim.name} in int8",
        fingerprint_of(quantized.model, quantized.tokenizer),
    )
    return quantized


def int8_linears(model: nn.Module) -> dict[str, Int8Linear]:
    """Every int8 linear of a model, by name."""
    return {
        name: module for name, module in model.named_modules() if isinstance(module, Int8Linear)
    }


def write_int8(victim: Victim, path: Path) -> int:
    """Write all tensors of a victim `in_int8` and say how many bytes the file has.

    A weight with enough zeros to gain is a bitmap (one bit a weight) and its remaining int8s in row
    order; others are int8 as they are; everything else is in single precision.
    """
    tensors: dict[str, Tensor] = {}
    packed = {f"{name}.weight" for name in int8_linears(victim.model)}
    for name, value in victim.model.state_dict().items():
        whole = value.detach().contiguous()
        tensors |= _packed(name, whole) if name in packed else {name: whole.clone()}
    save_file(tensors, path)
    return path.stat().st_size


def _packed(name: str, whole: Tensor) -> dict[str, Tensor]:
    flat = whole.reshape(-1)
    alive = flat != 0
    pair = {
        f"{name}.bitmap": torch.from_numpy(np.packbits(alive.numpy())),
        f"{name}.survivors": flat[alive],
    }
    return (
        pair if sum(part.nbytes for part in pair.values()) < whole.nbytes else {name: whole.clone()}
    )


def read_int8(like: Victim, path: Path) -> Victim:
    """The inverse of `write_int8`, into a victim of the same architecture that is `in_int8`."""
    victim, tensors = like.copy(), load_file(path)
    for name, linear in int8_linears(victim.model).items():
        if f"{name}.weight.bitmap" in tensors:
            bitmap, survivors = (
                tensors.pop(f"{name}.weight.{part}") for part in ("bitmap", "survivors")
            )
            alive = torch.from_numpy(
                np.unpackbits(bitmap.numpy(), count=linear.weight.numel())
            ).bool()
            whole: Any = torch.zeros(linear.weight.numel(), dtype=torch.int8)
            whole[alive] = survivors
            tensors[f"{name}.weight"] = whole.view(linear.weight.shape)
    victim.model.load_state_dict(tensors)
    victim.fingerprint = fingerprint_of(victim.model, victim.tokenizer)
    return victim

"""How much each token and each output matters to the last [CLS] embedding, from gradients of the dense model.

The classifier reads only the last [CLS]. With h that embedding and v a random direction of unit variance, the squared
gradient of v·h by a layer's output y, E_v (∂ v·h / ∂y_ti)² = ‖∂h/∂y_ti‖², says how far an error of output i at token t
carries. Summed over outputs it weighs tokens, in the kinds first ([CLS]), last ([SEP]) and between; averaged over tokens
it weighs outputs. A sample of sentences is enough: both are averages, and no label is used.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from engine.models.forward import Stream, embed, run_block, streams
from engine.models.victim import Victim
from engine.progress import Reporter, silent

SAMPLE = 64  # sentences; 512 gave the same masks' quality
FLOOR = 0.25  # part of every token's weight that does not depend on its kind: it keeps the statistics of rank
OUTPUT_FLOOR = 0.1  # the same for outputs
STREAM = 2048  # tokens of a sample stream: a backward pass keeps every activation
KINDS = 3


@dataclass(frozen=True, slots=True)
class Importance:
    """Weights of token kinds and of outputs, by `block.module`. Means over tokens and over outputs are 1."""

    kinds: dict[str, Tensor]  # (3,): first, last, between
    outputs: dict[str, Tensor]  # (d_out,)
    scale: dict[str, float]  # mean squared gradient of an output: compares layers with each other

    def of_tokens(self, layers: Sequence[str], stream: Stream, device: torch.device) -> Tensor:
        """ω of every token of a stream, (tokens,), for layers that share their inputs."""
        share = torch.stack([self.kinds[layer] for layer in layers]).mean(dim=0)
        weights: Tensor = (FLOOR + (1 - FLOOR) * share.to(device))[_kinds(stream, device)]
        return weights

    def of_outputs(self, layer: str) -> Tensor:
        """Importance of every output of a layer, (d_out,)."""
        return OUTPUT_FLOOR + (1 - OUTPUT_FLOOR) * self.outputs[layer]


def _kinds(stream: Stream, device: torch.device) -> Tensor:
    """0 for the first token of a sentence, 1 for the last, 2 between; (tokens,)."""
    ends = torch.tensor(list(itertools.accumulate(stream.lengths)), device=device)
    kinds = torch.full((stream.tokens,), 2, device=device)
    kinds[ends - 1] = 1
    kinds[ends - torch.tensor(stream.lengths, device=device)] = 0
    return kinds


def measure_importance(
    victim: Victim, texts: Sequence[str], pairs: Sequence[str] | None, report: Reporter = silent, sample: int = SAMPLE,
    stream_tokens: int = STREAM,
) -> Importance:  # fmt: skip
    """Importance of the dense victim's tokens and outputs, over evenly spaced rows of the calibration text.

    The random directions are drawn from a generator of their own, so the result depends on victim and text only.
    """
    rows = range(0, len(texts), max(1, len(texts) // sample))
    encoded = victim.encode([texts[r] for r in rows], [pairs[r] for r in rows] if pairs else None)
    by_kind: dict[str, Tensor] = {}
    by_output: dict[str, Tensor] = {}
    counts = torch.zeros(KINDS, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for stream in streams(encoded, int(victim.tokenizer.pad_token_id), victim.device, stream_tokens):
        report("importance of tokens and outputs", 0, 1)
        kinds = _kinds(stream, victim.device)
        counts += torch.bincount(kinds, minlength=KINDS).cpu()
        for layer, gradient in _gradients(victim, stream, generator).items():
            power = gradient.square()  # (tokens, d_out)
            sums = torch.zeros(KINDS, device=power.device).index_add_(0, kinds, power.sum(dim=1)).double().cpu()
            by_kind[layer] = by_kind.get(layer, 0) + sums
            by_output[layer] = by_output.get(layer, 0) + power.sum(dim=0).double().cpu()
    tokens = counts.sum()
    return Importance(
        {layer: _level(sums / counts.clamp_min(1), sums.sum() / tokens) for layer, sums in by_kind.items()},
        {layer: _level(sums, sums.mean()) for layer, sums in by_output.items()},
        {layer: float(sums.mean() / tokens) for layer, sums in by_output.items()},
    )


def _level(values: Tensor, mean: Tensor) -> Tensor:
    """Values in units of their mean; all ones where nothing reaches the last [CLS]."""
    return (values / mean if mean > 0 else torch.ones_like(values)).float()


def _gradients(victim: Victim, stream: Stream, generator: torch.Generator) -> dict[str, Tensor]:
    """`block.module` → gradient of v·h by the layer's output, (tokens, d_out), v drawn anew for every sentence."""
    outputs: dict[str, Tensor] = {}

    def remember(block: int, name: str, value: Tensor) -> None:
        outputs[f"{block}.{name}"] = value

    with torch.enable_grad():
        hidden = embed(victim.family, victim.model, stream).detach().requires_grad_()
        for index, block in enumerate(victim.family.blocks(victim.model)):
            hidden = run_block(block, hidden, stream.lengths, partial(remember, index))
        ends = list(itertools.accumulate(stream.lengths))
        first = hidden[torch.tensor([0, *ends[:-1]], device=hidden.device)]  # (sentences, width)
        directions = torch.randn(first.shape, generator=generator).to(first.device)
        found = torch.autograd.grad((first * directions).sum(), list(outputs.values()))
    return dict(zip(outputs, found, strict=True))

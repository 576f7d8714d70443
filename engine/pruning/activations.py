"""Where the calibration text stands: the dense model and one pruned model for every sparsity, side
by side over the same streams of tokens.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from prunescope.engine.models.families import Block
from prunescope.engine.models.forward import (
    Stream,
    activated,
    after_attention,
    after_output,
    context,
    embed,
    streams,
)
from prunescope.engine.models.victim import Victim

# linears that read the same input, in the order in which a block runs them
GROUPS: tuple[tuple[str, ...], ...] = (
    ("query", "key", "value"),
    ("attention_output",),
    ("intermediate",),
    ("output",),
)
SELECTION_EVERY = 5  # every fifth sentence is held apart, to select the strength α


@dataclass(slots=True)
class ActivationState:
    """One model between two groups of linears, on one stream of tokens."""

    x: Tensor  # (tokens, d_in), the input of the next group
    residual: Tensor | None = None  # (tokens, width), added to the output of the next group

    def advance(self, group: int, block: Block, lengths: tuple[int, ...]) -> None:
        """Run the linears of GROUPS[group] and what follows, up to the next group."""
        linears, x = block.linears, self.x
        if group == 0:
            queries = (linears["query"](x), linears["key"](x), linears["value"](x))
            self.x = context(block, x, lengths, queries)
            self.residual = x
        elif group == 2:
            self.x = activated(block, linears["intermediate"](x))
            self.residual = x
        else:
            out = linears[GROUPS[group][0]](x)
            if self.residual is None:
                raise RuntimeError(f"the linear {GROUPS[group][0]} needs a residual to add to")
            self.x = (after_attention if group == 1 else after_output)(block, out, self.residual)
            self.residual = None


@dataclass(slots=True)
class CalibrationStream:
    """One stream of calibration text on its way through the dense model and the pruned ones."""

    stream: Stream
    selection: bool  # these tokens select the strength α and do not fit the correction
    dense: ActivationState
    pruned: list[ActivationState]  # one per sparsity; empty where H is of the dense model's inputs

    def inputs(self, index: int) -> ActivationState:
        """The state that the statistics of the sparsity at `index` are taken from."""
        return self.pruned[index] if self.pruned else self.dense

    @property
    def identical(self) -> bool:
        """Whether every pruned model still has the dense model's activations."""
        return all(state.x is self.dense.x for state in self.pruned)


def calibration_streams(
    victim: Victim, encoded: dict[str, list[list[int]]], max_tokens: int, pruned_models: int
) -> Iterator[CalibrationStream]:
    """The encoded calibration text, embedded, in streams of at most `max_tokens` tokens; those of
    the selection sentences come last.
    """
    sentences = range(len(encoded["input_ids"]))
    for selection in (False, True):
        indices = [
            i for i in sentences if (i % SELECTION_EVERY == SELECTION_EVERY - 1) is selection
        ]
        part = {name: [lists[i] for i in indices] for name, lists in encoded.items()}
        for stream in streams(part, victim.pad_id, victim.device, max_tokens):
            # Embeddings are not pruned, so all models begin with the same hidden state
            hidden = embed(victim.family, victim.model, stream)
            states = [ActivationState(hidden) for _ in range(pruned_models)]
            yield CalibrationStream(stream, selection, ActivationState(hidden), states)


def cls_embeddings(states: list[ActivationState], inputs: list[CalibrationStream]) -> Tensor:
    """The last [CLS] of all sentences, (sentences, width), after all blocks."""
    parts = []
    for state, stream in zip(states, inputs, strict=True):
        starts = [0, *itertools.accumulate(stream.stream.lengths)][:-1]
        parts.append(state.x[torch.tensor(starts, device=state.x.device)].float())
    return torch.cat(parts)

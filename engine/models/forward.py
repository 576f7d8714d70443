"""The encoder on streams of real tokens: no [PAD] is ever computed, so none can enter a statistic
or cost time.

Sentences are sorted by length and laid end to end, (tokens, width). Linears and LayerNorms see the
stream as it is; attention sees each run of equally long sentences as one dense batch. The outcome
is the padded model's, to rounding.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from prunescope.engine.models.families import Block, Family
from prunescope.engine.models.tokens import pad_rows

# (block, module name, the linear's output (tokens, d_out))
Tap = Callable[[int, str, Tensor], None]


@dataclass(frozen=True, slots=True)
class Stream:
    """Sentences as one stream of real tokens."""

    inputs: dict[str, Tensor]  # padded ids, (sentences, longest)
    lengths: tuple[int, ...]  # real tokens of each sentence, ascending
    rows: tuple[int, ...]  # which sentence of the caller's list each one is

    @property
    def tokens(self) -> int:
        """Number of real tokens."""
        return sum(self.lengths)


def streams(
    encoded: dict[str, list[list[int]]], pad_id: int, device: torch.device, max_tokens: int = 8192
) -> Iterator[Stream]:
    """Cut encoded sentences into streams of at most `max_tokens` real tokens, sorted by length."""
    lengths = [len(ids) for ids in encoded["input_ids"]]
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    start = 0
    while start < len(order):
        stop, total = start, 0
        while stop < len(order) and (stop == start or total + lengths[order[stop]] <= max_tokens):
            total += lengths[order[stop]]
            stop += 1
        rows = tuple(order[start:stop])
        padded = pad_rows(
            {name: [lists[i] for i in rows] for name, lists in encoded.items()}, pad_id, device
        )
        yield Stream(padded, tuple(lengths[i] for i in rows), rows)
        start = stop


def embed(family: Family, model: Any, stream: Stream) -> Tensor:
    """First hidden state of the stream, (tokens, width)."""
    inputs = {name: stream.inputs[name] for name in family.inputs if name in stream.inputs}
    hidden = family.embeddings(model)(**inputs)  # (sentences, longest, width)
    return hidden[stream.inputs["attention_mask"].bool()]


def context(
    block: Block, hidden: Tensor, lengths: tuple[int, ...], queries: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Self-attention's output before its output linear, (tokens, width)."""
    out = torch.empty_like(hidden)
    start = 0
    for length, run in itertools.groupby(lengths):
        rows = len(list(run))
        stop = start + rows * length
        q, k, v = (
            part[start:stop].view(rows, length, block.heads, -1).transpose(1, 2) for part in queries
        )
        # (rows, heads, length, width / heads)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out[start:stop] = mixed.transpose(1, 2).reshape(stop - start, -1)
        start = stop
    return out


def after_attention(block: Block, projected: Tensor, hidden: Tensor) -> Tensor:
    """LayerNorm of the attention output's linear plus its residual."""
    normed: Tensor = block.attention_norm(projected + hidden)
    return normed


def activated(block: Block, widened: Tensor) -> Tensor:
    """The activation between `intermediate` and `output`."""
    return block.activation(widened)


def after_output(block: Block, projected: Tensor, hidden: Tensor) -> Tensor:
    """LayerNorm of the output linear plus its residual: the block's result."""
    normed: Tensor = block.output_norm(projected + hidden)
    return normed


def run_block(
    block: Block, hidden: Tensor, lengths: tuple[int, ...], tap: Callable[[str, Tensor], None]
) -> Tensor:
    """One block on a stream; `tap` sees the output of every linear."""

    def apply(name: str, value: Tensor) -> Tensor:
        result: Tensor = block.linears[name](value)
        tap(name, result)
        return result

    queries = (apply("query", hidden), apply("key", hidden), apply("value", hidden))
    attended = after_attention(
        block, apply("attention_output", context(block, hidden, lengths, queries)), hidden
    )
    widened = activated(block, apply("intermediate", attended))
    return after_output(block, apply("output", widened), attended)


def _unseen(name: str, value: Tensor) -> None:
    """A tap that does nothing."""


def run_stream(
    family: Family, model: Any, stream: Stream, tap: Tap | None = None
) -> tuple[Tensor, Tensor]:
    """(logits (sentences, labels), last [CLS] embedding (sentences, width)), in stream order."""
    hidden = embed(family, model, stream)
    for index, block in enumerate(family.blocks(model)):
        hidden = run_block(block, hidden, stream.lengths, partial(tap, index) if tap else _unseen)
    starts = torch.tensor([0, *itertools.accumulate(stream.lengths)][:-1], device=hidden.device)
    cls = hidden[starts]
    return family.head(model, cls), cls

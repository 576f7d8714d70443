"""Batches of texts, and a classifier's own forward pass over them.

Texts of about the same length go together, each padded to a length that depends on it alone, so a
text is padded alike whatever stands beside it, and little is computed for nothing. `VictimService`
adds what else the bits of an answer depend on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.engine.models.architecture import Architecture, Reads
from prunescope.engine.models.tokens import pad_rows

STEP = 8  # lengths are rounded up to a multiple of it
# tokens of one batch, by device: larger ones leave a processor's caches, smaller ones a card idle
TOKENS = {"cpu": 2048, "cuda": 8192}

# (layer as `block.module`, the linear's input or output (tokens, width))
Tap = Callable[[str, Tensor], None]


@dataclass(frozen=True)
class Batch:
    """Texts of about the same length, padded on the right."""

    inputs: dict[str, Tensor]  # padded ids, mask and types, (texts, longest)
    lengths: tuple[int, ...]  # real tokens of each text, ascending
    rows: tuple[int, ...]  # which text of the caller's list each one is
    pad_id: int  # what fills the rows

    @property
    def tokens(self) -> int:
        """Number of real tokens."""
        return sum(self.lengths)

    @cached_property
    def mask(self) -> Tensor:
        """Which tokens are real, (texts, longest)."""
        return self.inputs["attention_mask"].bool()

    @cached_property
    def is_full(self) -> bool:
        """Whether there is no padding."""
        return min(self.lengths) == self.mask.shape[1]

    def real(self, values: Tensor) -> Tensor:
        """The rows of the real tokens, (tokens, width), of (texts, longest, width) or of the same
        laid end to end.
        """
        if self.is_full:
            return values.reshape(-1, values.shape[-1])
        return values.reshape(*self.mask.shape, values.shape[-1])[self.mask]

    @cached_property
    def ends(self) -> Tensor:
        """Position of the last token of each text that is not the pad token, (texts,): the one by
        which the heads of decoders answer, also where a text ends in the pad token itself.
        """
        ids = self.inputs["input_ids"]
        positions = torch.arange(ids.shape[1], device=ids.device)
        return (positions * (ids != self.pad_id)).argmax(dim=1)

    def read(self, hidden: Tensor, reads: Reads) -> Tensor:
        """What a head reads of the last hidden states (texts, longest, width): (texts, width)."""
        if reads == "first":
            return hidden[:, 0]
        if reads == "last":
            return hidden[torch.arange(len(self.lengths), device=hidden.device), self.ends]
        masked = hidden * self.mask[..., None]
        return masked.sum(dim=1) / self.mask.sum(dim=1, keepdim=True)

    def read_by_head(self, values: Tensor, reads: Reads) -> Tensor:
        """The input of a linear of the head, a row a text, (texts, width); what reads whole texts,
        (texts, longest, width), counts at the tokens that the head reads.
        """
        if values.dim() == 3 and values.shape[1] == self.mask.shape[1]:
            return self.read(values, reads)
        return values.flatten(0, -2)


def device_tokens(device: torch.device) -> int:
    """Tokens of one batch that suit a device."""
    return TOKENS.get(device.type, TOKENS["cpu"])


def padded_length(length: int, pads: bool, limit: int) -> int:
    """The length to which a text is padded: the next multiple of STEP, no more than `limit`; its
    own where padding would change the answer.
    """
    return max(length, min(-(-length // STEP) * STEP, limit)) if pads else length


def batches(
    encoded: Mapping[str, list[list[int]]],
    pad_id: int,
    device: torch.device,
    max_tokens: int,
    pads: bool = True,
    limit: int = 1 << 30,
) -> Iterator[Batch]:
    """Encoded texts, sorted by length, in batches of at most `max_tokens` tokens, padding included.

    A text of more tokens is a batch of its own.
    """
    lengths = [len(ids) for ids in encoded["input_ids"]]
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    start = 0
    while start < len(order):
        longest = padded_length(lengths[order[start]], pads, limit)
        most, stop = start + max(1, max_tokens // max(1, longest)), start + 1
        while stop < min(most, len(order)) and lengths[order[stop]] <= longest:
            stop += 1
        rows = tuple(order[start:stop])
        inputs = {name: [lists[i] for i in rows] for name, lists in encoded.items()}
        yield Batch(
            pad_rows(inputs, pad_id, device, longest),
            tuple(lengths[i] for i in rows),
            rows,
            pad_id,
        )
        start = stop


def read_batch(
    model: Any, architecture: Architecture, batch: Batch, tap: Tap | None = None
) -> tuple[Tensor, Tensor]:
    """(logits (texts, labels), the last hidden states that the head reads (texts, width)).

    `tap` sees the output of every linear of the blocks over the real tokens, (tokens, d_out), when
    it first runs; where blocks share their weights, whenever it runs.
    """
    hidden: list[Tensor] = []
    with ExitStack() as stack:
        stack.enter_context(outputs_of(model.get_submodule(architecture.body), hidden.append))
        if tap is not None:
            stack.enter_context(tapped(model, architecture, batch, tap))
        logits: Tensor = model(**batch.inputs)[0]
    return logits, batch.read(hidden[0], architecture.reads)


@contextmanager
def outputs_of(module: nn.Module, take: Callable[[Tensor], None]) -> Iterator[None]:
    """Hand the first output of a module to `take` whenever it runs."""

    def hook(_module: nn.Module, _inputs: object, output: Any) -> None:
        if isinstance(output, tuple):  # a block of DistilBERT may give its attention first
            output = next(part for part in output if isinstance(part, Tensor) and part.dim() < 4)
        take(output if isinstance(output, Tensor) else output[0])

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def differentiable(model: Any) -> Iterator[None]:
    """The graph of gradients begins at the input embeddings, whether or not weights learn."""
    handle = model.get_input_embeddings().register_forward_hook(
        # times 1: a model may change what it is given in place, which a leaf of the graph forbids
        lambda _module, _inputs, output: output.detach().requires_grad_() * 1
    )
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def inputs_of(module: nn.Module, take: Callable[[Tensor], None]) -> Iterator[None]:
    """Hand the first tensor that a module is called with to `take` whenever it runs."""

    def hook(_module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        take(first_tensor(args, kwargs))

    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def filled_rows(model: Any, linears: Iterable[str], least: int) -> Iterator[None]:
    """Linears that read a row a text, (texts, width), are given at least `least` rows: the first is
    repeated, and what comes of the repetitions is cut off again.
    """

    def fill(_linear: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        rows, *others = args
        missing = least - len(rows)
        counts.append(len(rows))
        if rows.dim() != 2 or missing <= 0:
            return None
        return (torch.cat([rows, rows[:1].expand(missing, -1)]), *others)

    def cut(_linear: nn.Module, _args: object, output: Tensor) -> Tensor:
        return output[: counts.pop()]

    counts: list[int] = []  # rows that were given
    with ExitStack() as stack:
        for path in linears:
            linear = model.get_submodule(path)
            stack.callback(linear.register_forward_pre_hook(fill).remove)
            stack.callback(linear.register_forward_hook(cut).remove)
        yield


def first_tensor(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    """The first tensor that a module is called with."""
    return next(value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))


@contextmanager
def tapped(model: Any, architecture: Architecture, batch: Batch, tap: Tap) -> Iterator[None]:
    """Hand the outputs of linears to `tap`, see `read_batch`."""
    seen: set[str] = set()
    of_tokens = architecture.token_layers

    def taken(layer: str) -> Callable[[Tensor], None]:
        def take(output: Tensor) -> None:
            if layer not in seen or architecture.runs > 1:
                seen.add(layer)
                rows = batch.real(output) if layer in of_tokens else output.flatten(0, -2)
                tap(layer, rows)

        return take

    with ExitStack() as stack:
        for layer, path in architecture.paths.items():
            stack.enter_context(outputs_of(model.get_submodule(path), taken(layer)))
        yield

"""A look inside a dense and a pruned victim while they read one text: [CLS] block by block,
attention, and a map of both.

Every function takes one text at a time, so a text's numbers do not depend on what else is read.
"""

import base64
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prunescope.engine.errors import InputError
from prunescope.engine.models.forward import inputs_of, outputs_of, read_batch
from prunescope.engine.models.victim import Victim

MAX_SHOWN = 48  # tokens of an attention map


@dataclass(frozen=True, slots=True)
class HiddenStates:
    """The internals of one victim reading one text."""

    tokens: tuple[str, ...]
    # (blocks + 1, width), float64: what the head will read, [CLS] in most encoders, before the
    # first block and after every one
    cls: Tensor
    # (blocks, heads, tokens, tokens): a row's attention sums to 1; no blocks where the model does
    # not give it
    attention: Tensor
    probabilities: Tensor  # (labels,)


@torch.inference_mode()
def read_inside(victim: Victim, text: str) -> HiddenStates:
    """Read a text and keep what the head will read, after every block, and every block's attention.

    Attention is softmax(q kᵀ / √d) of every head, d the head's width, as the model computes it.
    """
    (batch,) = victim.encoded_batches(victim.encode([text]), 1 << 62)
    architecture, blocks = victim.architecture, victim.architecture.modules(victim.model)
    first: list[Tensor] = []  # what the first block reads, whenever it runs, (1, longest, width)
    hidden: list[Tensor] = []  # after every block, (1, longest, width)
    with ExitStack() as stack:
        stack.enter_context(inputs_of(blocks[0], first.append))
        for block in blocks:
            stack.enter_context(outputs_of(block, hidden.append))
        logits, read = (part[0] for part in read_batch(victim.model, architecture, batch))
    with _eager_attention(victim.model.config):  # apart: a block may then give it first
        output = victim.model(**batch.inputs, output_attentions=True)
    # the last is read behind the norm that many architectures have there, as the head does
    states = torch.stack(
        [
            *(batch.read(state, architecture.reads)[0] for state in (first[0], *hidden[:-1])),
            read,
        ]
    )
    victim.check_answers(logits[None], states[None])
    ids, tokens = victim.encode([text])["input_ids"][0], batch.tokens
    attention = [
        part[0, :, :tokens, :tokens]
        for part in getattr(output, "attentions", None) or ()
        if isinstance(part, Tensor) and part.dim() == 4
    ]
    return HiddenStates(
        tuple(victim.tokenizer.convert_ids_to_tokens(ids)),
        states.double().cpu(),
        (torch.stack(attention) if attention else torch.empty(0, 0, tokens, tokens)).float().cpu(),
        logits.double().softmax(dim=-1).cpu(),
    )


@contextmanager
def _eager_attention(config: Any) -> Iterator[None]:
    """Attention is computed in the way that has its weights: others never write them down."""
    before = config._attn_implementation
    config._attn_implementation = "eager"
    try:
        yield
    finally:
        config._attn_implementation = before


def cls_distances(first: Tensor, second: Tensor) -> tuple[list[float], list[float]]:
    """(‖a − b‖₂, 1 − cos(a, b)) of every row of two (blocks + 1, width) tensors.

    P1, Table 4, does not name its distance.
    """
    euclidean: list[float] = (first - second).norm(dim=1).tolist()
    cosine: list[float] = (1 - torch.cosine_similarity(first, second, dim=1)).clamp(min=0).tolist()
    return euclidean, cosine


def principal_map(points: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """(points on their first two principal axes (n, 2), shares of the variance).

    The axes are the leading right singular vectors of the centred points; an axis points to where
    its largest entry is positive, so that the map does not flip from run to run. Where the points
    vary along one line, the second axis is zero.
    """
    centred = points.double() - points.double().mean(dim=0)
    _, sizes, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    if len(axes) < 2:
        axes = torch.cat([axes, torch.zeros_like(axes)])
    largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    axes = axes * torch.where(largest < 0, -1.0, 1.0)
    whole = float(sizes.square().sum())
    shares = [float(size) ** 2 / whole if whole else 0.0 for size in sizes[:2]] + [0.0]
    return centred @ axes.T, (shares[0], shares[1])


def look_inside(
    dense: Victim, pruned: Victim, text: str, adversarial: str | None = None
) -> dict[str, Any]:
    """Both victims on a text and, where given, on its adversarial form, as JSON values.

    `reads`: which hidden states the head reads; `[CLS]` here stands for what it reads.
    `distances`: by pair of readings, [CLS] block by block. `map`: [CLS] through the layers of every
    reading on the two principal axes of all of them. `attention`: (blocks, heads, tokens, tokens)
    in half precision, as base64. Raises InputError for a text without words.
    """
    texts = {"clean": _checked(text)} | (
        {"adversarial": _checked(adversarial)} if adversarial else {}
    )
    readings = {
        (model, kind): read_inside(victim, words)
        for model, victim in (("dense", dense), ("pruned", pruned))
        for kind, words in texts.items()
    }
    pairs = [(("dense", kind), ("pruned", kind)) for kind in texts]
    if adversarial:
        pairs += [((model, "clean"), (model, "adversarial")) for model in ("dense", "pruned")]
    points, shares = principal_map(torch.cat([reading.cls for reading in readings.values()]))
    return {
        "texts": texts,
        "blocks": len(readings["dense", "clean"].cls) - 1,
        "reads": dense.architecture.reads,
        "shares": shares,
        "distances": [
            {"from": list(a), "to": list(b), "euclidean": distances[0], "cosine": distances[1]}
            for a, b in pairs
            for distances in [cls_distances(readings[a].cls, readings[b].cls)]
        ],
        "map": [
            {"side": model, "text": kind, "points": part.tolist()}
            for (model, kind), part in zip(
                readings, points.split(len(readings["dense", "clean"].cls)), strict=True
            )
        ],
        "attention": [
            {"side": model, "text": kind, **_packed(reading)}
            for (model, kind), reading in readings.items()
        ],
        "probabilities": [
            {"side": model, "text": kind, "values": reading.probabilities.tolist()}
            for (model, kind), reading in readings.items()
        ],
    }


def _checked(text: str) -> str:
    text = " ".join(text.split())
    if not any(sign.isalnum() for sign in text):
        raise InputError("There are no words to read; type a sentence.")
    return text


def _packed(reading: HiddenStates) -> dict[str, Any]:
    visible = reading.attention[:, :, :MAX_SHOWN, :MAX_SHOWN].half().contiguous()
    return {
        "tokens": list(reading.tokens[:MAX_SHOWN]),
        "cut": max(0, len(reading.tokens) - MAX_SHOWN),
        "shape": list(visible.shape),
        "values": base64.b64encode(visible.numpy().tobytes()).decode(),
    }

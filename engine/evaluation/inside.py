"""A look inside a dense and a pruned victim while they read one text: [CLS] block by block,
attention, and a map of both.

Every function takes one text at a time, so a text's numbers do not depend on what else is read.
"""

import base64
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prunescope.engine.errors import InputError
from prunescope.engine.models.forward import embed, run_block
from prunescope.engine.models.victim import Victim

MAX_SHOWN = 48  # tokens of an attention map


@dataclass(frozen=True, slots=True)
class HiddenStates:
    """What one victim makes of one text."""

    tokens: tuple[str, ...]
    cls: Tensor  # (blocks + 1, width), float64: [CLS] after the embeddings and after every block
    attention: Tensor  # (blocks, heads, tokens, tokens): a row's attention sums to 1
    probabilities: Tensor  # (labels,)


@torch.inference_mode()
def read_inside(victim: Victim, text: str) -> HiddenStates:
    """Read a text and keep what happens inside. Attention is softmax(q kᵀ / √d) of every head, d
    the head's width.
    """
    (stream,) = victim.streams([text])
    hidden = embed(victim.family, victim.model, stream)  # (tokens, width)
    states, maps = [hidden[0]], []
    for block in victim.family.blocks(victim.model):
        seen: dict[str, Tensor] = {}
        hidden = run_block(block, hidden, stream.lengths, seen.__setitem__)
        q, k = (
            seen[name].view(stream.tokens, block.heads, -1).transpose(0, 1)
            for name in ("query", "key")
        )
        maps.append(
            (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1)
        )  # (heads, tokens, tokens)
        states.append(hidden[0])
    logits = victim.family.head(victim.model, hidden[:1])[0]
    victim.check_answers(logits[None], torch.stack(states)[None])
    ids = victim.encode([text])["input_ids"][0]
    return HiddenStates(
        tuple(victim.tokenizer.convert_ids_to_tokens(ids)),
        torch.stack(states).double().cpu(),
        torch.stack(maps).float().cpu(),
        logits.double().softmax(dim=-1).cpu(),
    )


def cls_distances(one: Tensor, other: Tensor) -> tuple[list[float], list[float]]:
    """(‖a − b‖₂, 1 − cos(a, b)) of every row of two (blocks + 1, width) tensors. P1, Table 4, does
    not name its distance.
    """
    euclidean: list[float] = (one - other).norm(dim=1).tolist()
    cosine: list[float] = (1 - torch.cosine_similarity(one, other, dim=1)).clamp(min=0).tolist()
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

    `distances`: by pair of readings, [CLS] block by block. `map`: [CLS] through the layers of every
    reading on the two principal axes of all of them. `attention`: (blocks, heads, tokens, tokens)
    in half precision, as base64. Raises InputError for a text without words.
    """
    texts = {"clean": _checked(text)} | (
        {"adversarial": _checked(adversarial)} if adversarial else {}
    )
    readings = {
        (side, kind): read_inside(victim, words)
        for side, victim in (("dense", dense), ("pruned", pruned))
        for kind, words in texts.items()
    }
    pairs = [(("dense", kind), ("pruned", kind)) for kind in texts]
    if adversarial:
        pairs += [((side, "clean"), (side, "adversarial")) for side in ("dense", "pruned")]
    placed, shares = principal_map(torch.cat([reading.cls for reading in readings.values()]))
    return {
        "texts": texts,
        "blocks": len(readings["dense", "clean"].attention),
        "shares": shares,
        "distances": [
            {"from": list(a), "to": list(b), "euclidean": found[0], "cosine": found[1]}
            for a, b in pairs
            for found in [cls_distances(readings[a].cls, readings[b].cls)]
        ],
        "map": [
            {"side": side, "text": kind, "points": part.tolist()}
            for (side, kind), part in zip(
                readings, placed.split(len(readings["dense", "clean"].cls)), strict=True
            )
        ],
        "attention": [
            {"side": side, "text": kind, **_packed(reading)}
            for (side, kind), reading in readings.items()
        ],
        "probabilities": [
            {"side": side, "text": kind, "values": reading.probabilities.tolist()}
            for (side, kind), reading in readings.items()
        ],
    }


def _checked(text: str) -> str:
    text = " ".join(text.split())
    if not any(sign.isalnum() for sign in text):
        raise InputError("There are no words to read; type a sentence.")
    return text


def _packed(reading: HiddenStates) -> dict[str, Any]:
    shown = reading.attention[:, :, :MAX_SHOWN, :MAX_SHOWN].half().contiguous()
    return {
        "tokens": list(reading.tokens[:MAX_SHOWN]),
        "cut": max(0, len(reading.tokens) - MAX_SHOWN),
        "shape": list(shown.shape),
        "values": base64.b64encode(shown.numpy().tobytes()).decode(),
    }

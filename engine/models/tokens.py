"""Token ids of texts, and padded batches of them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prunescope.engine.errors import DataError

PAD_VALUES = {"attention_mask": 0, "token_type_ids": 0}


def token_ids(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, most: int
) -> dict[str, list[list[int]]]:
    """Ids and what else a model reads of texts (or pairs), each cut to `most` tokens.

    Raises DataError naming the first text of which the tokenizer makes no token at all.
    """
    second = None if pairs is None else list(pairs)
    encoded = dict(tokenizer(list(texts), second, truncation=True, max_length=most))
    for row, ids in enumerate(encoded["input_ids"]):
        if not ids:
            raise DataError(
                f"The tokenizer makes no token of the text {texts[row]!r}, number {row + 1} of "
                f"{len(texts)} read together; leave it out of the data."
            )
    return encoded


def pad_rows(
    rows: dict[str, list[list[int]]],
    pad_id: int,
    device: str | torch.device = "cpu",
    length: int | None = None,
) -> dict[str, Tensor]:
    """Ragged lists of ids → tensors (rows, length), padded on the right; None: to the longest."""
    longest = length or max(len(ids) for ids in rows["input_ids"])
    return {
        name: torch.tensor(
            [ids + [PAD_VALUES.get(name, pad_id)] * (longest - len(ids)) for ids in lists]
        ).to(device)
        for name, lists in rows.items()
    }

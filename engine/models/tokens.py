"""Token ids in and out of padded batches."""

import torch
from torch import Tensor

PAD_VALUES = {"attention_mask": 0, "token_type_ids": 0}


def pad_rows(rows: dict[str, list[list[int]]], pad_id: int, device: str | torch.device = "cpu") -> dict[str, Tensor]:
    """Ragged lists of ids → tensors (rows, longest), padded on the right."""
    longest = max(len(ids) for ids in rows["input_ids"])
    return {
        name: torch.tensor([ids + [PAD_VALUES.get(name, pad_id)] * (longest - len(ids)) for ids in lists]).to(device)
        for name, lists in rows.items()
    }

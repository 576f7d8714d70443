"""Adapters are merged as peft merges them, to the bit; what is not ordinary is left to it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import BertConfig, BertForSequenceClassification

from prunescope.engine.models.adapters import is_ordinary, merged_state, old_names

LAYERS = r".*\.(query|value)"


@pytest.fixture(scope="module")
def base() -> BertForSequenceClassification:
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        vocab_size=20,
    )
    return BertForSequenceClassification(config).eval()


def adapter_of(base: BertForSequenceClassification, folder: Path, **settings: Any) -> Path:
    """An adapter whose weights are not those that it began with."""
    config = LoraConfig(r=4, target_modules=LAYERS, **settings)
    with old_names():
        model = get_peft_model(copy.deepcopy(base), config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.add_(0.1 * torch.randn_like(weight))
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "settings", [{}, {"lora_alpha": 7}, {"modules_to_save": ["classifier"]}], ids=str
)
def test_an_ordinary_adapter_is_merged_as_peft_does(
    base: BertForSequenceClassification, tmp_path: Path, settings: dict[str, Any]
) -> None:
    adapter = adapter_of(base, tmp_path, **settings)
    with old_names():
        expected = PeftModel.from_pretrained(copy.deepcopy(base), adapter).merge_and_unload()
    assert is_ordinary(adapter)
    merged = merged_state(base.state_dict(), adapter)
    for name, value in expected.state_dict().items():
        assert torch.equal(value, merged[name]), name


@pytest.mark.parametrize(
    "settings",
    [
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora"},
        {"exclude_modules": r".*layer\.0.*"},
        {"use_rslora": True},
    ],
    ids=str,
)
def test_an_adapter_that_means_something_else_is_left_to_peft(
    base: BertForSequenceClassification, tmp_path: Path, settings: dict[str, Any]
) -> None:
    assert not is_ordinary(adapter_of(base, tmp_path, **settings))

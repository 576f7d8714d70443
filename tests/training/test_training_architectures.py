"""Many architectures learn: adapters on the linears of all blocks, and adversarial losses."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from architectures import KINDS, write_architecture

from prunescope.engine.models.base import classifier, open_base
from prunescope.engine.training.losses import LOSSES
from prunescope.engine.training.spec import TrainSpec

TEXTS = ["good film", "the long and slow film of the very long cast not good", "bad plot end"]
LABELS = torch.tensor([0, 2, 1])
SPEC = TrainSpec(name="x", seed=0, learning_rate=1e-2, adv_init=0.5, adv_steps=2)


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_learn_and_are_merged(tmp_path: Path, kind: str) -> None:
    base = open_base(str(write_architecture(tmp_path / "m", kind)))
    model = classifier(base, ("a", "b", "c"), 0, 4)
    inputs = dict(base.tokenizer(TEXTS, padding=True, padding_side="right", return_tensors="pt"))
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    adapters = {name for name in learning if ".lora_" in name}
    body = base.architecture.blocks
    assert len(adapters) == 2 * len(base.architecture.paths) and all(
        f".{body}." in name for name in adapters
    )
    assert learning - adapters and all(".modules_to_save." in name for name in learning - adapters)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.eval()  # without dropout
    values = [LOSSES["none"](model, inputs, LABELS, SPEC)]
    for weight in model.parameters():
        assert weight.grad is None or weight.requires_grad
    for _ in range(6):
        optimizer.step()
        optimizer.zero_grad()
        values.append(LOSSES["none"](model, inputs, LABELS, SPEC))
    assert values[-1] < values[0]
    with torch.inference_mode():
        expected = model(**inputs).logits
        merged = model.merge_and_unload()
        torch.testing.assert_close(merged(**inputs).logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_perturbed_where_a_model_reads_them(tmp_path: Path, kind: str) -> None:
    """Not at all by a size of nothing, and upwards by one step of ascent."""
    base = open_base(str(write_architecture(tmp_path / "m", kind)))
    model = classifier(base, ("a", "b", "c"), 0, 0).eval()
    inputs = dict(base.tokenizer(TEXTS, padding=True, padding_side="right", return_tensors="pt"))
    plain = LOSSES["none"](model, inputs, LABELS, SPEC)
    still = replace(SPEC, adv_init=0.0, adv_lr=0.0)
    assert LOSSES["freelb"](model, inputs, LABELS, still) == pytest.approx(plain, rel=1e-5)
    up = replace(SPEC, adv_init=0.0, adv_lr=0.02)
    assert LOSSES["pgd"](model, inputs, LABELS, up) > plain * (1 + 1e-6)

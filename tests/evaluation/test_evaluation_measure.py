"""Predictions and relative errors, against naive float64 computations over single sentences."""

from pathlib import Path

import pytest
import torch
from small_models import write_model
from torch import Tensor

from prunescope.engine.data import Dataset, Examples, load_dataset
from prunescope.engine.evaluation.measure import layer_errors, read, relative_error
from prunescope.engine.models import victim as victim_module
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.records import MODULES


@pytest.fixture
def texts(data_folder: object) -> tuple[str, ...]:
    data: Dataset = load_dataset(str(data_folder))
    return data.evaluation.texts[:30]


@pytest.fixture
def other(victim: Victim) -> Victim:
    """The victim with every prunable weight moved a little."""
    result = victim.copy()
    generator = torch.Generator().manual_seed(0)
    for weight in result.prunable().values():
        weight += 0.05 * torch.randn(weight.shape, generator=generator)
    return result


def outputs_of_linears(victim: Victim, texts: tuple[str, ...]) -> dict[str, Tensor]:
    """`block.module` → its output over all real tokens, from a float64 copy of the model."""
    model = victim.copy().model.double()
    outputs: dict[str, list[Tensor]] = {}
    for name, linear in victim.architecture.linears(model).items():
        stored = outputs.setdefault(name, [])
        linear.module.register_forward_hook(
            lambda _m, _i, value, stored=stored: stored.append(value[0])
        )
    with torch.no_grad():
        for text in texts:
            model(**victim.tokenizer(text, return_tensors="pt"))
    return {name: torch.cat(parts) for name, parts in outputs.items()}


def test_layer_errors_are_the_naive_ones(victim: Victim, other: Victim, texts: tuple[str, ...]):
    dense, sparse = outputs_of_linears(victim, texts), outputs_of_linears(other, texts)
    result = layer_errors(victim, other, texts, None)
    assert list(result) == [f"{block}.{name}" for block in range(2) for name in MODULES]
    for name, value in result.items():
        spread = (dense[name] - dense[name].mean(dim=0)).square().sum()
        assert value == pytest.approx(
            float((dense[name] - sparse[name]).square().sum() / spread), rel=1e-4
        )


def test_layer_errors_do_not_depend_on_how_the_tokens_are_cut(
    victim: Victim, other: Victim, texts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    whole = layer_errors(victim, other, texts, None)
    monkeypatch.setattr(victim_module, "device_tokens", lambda _device: 40)
    assert len(list(victim.batches(texts))) > 3
    assert layer_errors(victim, other, texts, None) == pytest.approx(whole, rel=1e-4)


def test_layer_errors_take_in_the_pairs(victim: Victim, other: Victim, texts: tuple[str, ...]):
    assert layer_errors(victim, other, texts[:9], texts[9:18]) != layer_errors(
        victim, other, texts[:9], None
    )


def test_a_victim_has_no_error_against_itself(victim: Victim, texts: tuple[str, ...]):
    assert set(layer_errors(victim, victim.copy(), texts, None).values()) == {0.0}


def test_order_of_blocks_is_numeric(tmp_path: Path, texts: tuple[str, ...]):
    victim = load_victim(str(write_model(tmp_path / "deep", layers=11)), "cpu")
    blocks = [int(name.split(".")[0]) for name in layer_errors(victim, victim, texts[:2], None)]
    assert blocks == sorted(blocks)
    assert blocks[-1] == 10


def test_relative_error_is_measured_from_the_mean():
    dense = torch.tensor([[1.0, 10.0], [3.0, 10.0]])
    sparse = torch.tensor([[1.0, 11.0], [3.0, 10.0]])
    assert relative_error(dense, sparse) == 0.5


def test_relative_error_is_summed_in_double_precision():
    dense = 1000 + torch.rand(50_000, 1, generator=torch.Generator().manual_seed(0))
    spread = float(dense.double().var(correction=0)) * 50_000
    assert relative_error(dense, dense + 1.0) == pytest.approx(50_000 / spread, rel=1e-9)


def test_relative_error_of_equal_values_is_zero():
    value = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert relative_error(value, value) == 0.0


@pytest.mark.parametrize("piece", [1, 7, 256])
def test_reading_is_in_the_examples_order(victim: Victim, texts: tuple[str, ...], piece: int):
    result = read(victim, Examples(texts, None, (0,) * len(texts)), piece=piece)
    logits, cls = victim.read(texts)
    assert result.predicted == tuple(logits.argmax(dim=1).tolist())
    assert len(set(result.predicted)) == 2
    assert torch.allclose(result.cls, cls, atol=1e-5)


def test_reading_takes_in_the_pairs(victim: Victim, texts: tuple[str, ...]):
    pairs = read(victim, Examples(texts[:9], texts[9:18], (0,) * 9))
    assert torch.allclose(pairs.cls, victim.read(texts[:9], texts[9:18])[1], atol=1e-5)


def test_reading_can_be_stopped(victim: Victim, texts: tuple[str, ...]):
    def stop(_stage: str, done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(victim, Examples(texts, None, (0,) * len(texts)), stop, piece=10)

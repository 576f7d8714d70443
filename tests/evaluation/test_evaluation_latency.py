"""Latency: what is recorded, that every form computes the same, and the reason where a form is not
available.
"""

import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.evaluation import latency
from prunescope.engine.evaluation.latency import (
    Spread,
    compare_latency,
    in_form,
    is_two_four,
    latency_of,
    measure_latency,
)
from prunescope.engine.models.fingerprint import weights_sha256
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.methods import METHODS
from prunescope.engine.pruning.pipeline import prune

TEXTS = [
    "a good film",
    "the awful plot of a slow story",
    "warm cast",
    "not very funny",
    "a",
    "dull scene and sad music .",
]


@pytest.fixture
def pruned(victim: Victim) -> Victim:
    return prune(victim, (), None, METHODS["magnitude"], 0.75).victim


def two_four(victim: Victim) -> Victim:
    """A copy with the two smaller of every four neighbours removed."""
    sparse = victim.copy()
    for weight in sparse.prunable().values():
        fours = weight.view(-1, 4)
        fours.scatter_(1, fours.abs().argsort(dim=1)[:, :2], 0.0)
    return sparse


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What torch says about a GPU that is not here."""
    properties = SimpleNamespace(capability=(9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: properties.capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    monkeypatch.setattr(Victim, "device", property(lambda self: torch.device("cuda")))
    return properties


def test_a_measurement_says_what_was_measured(victim: Victim) -> None:
    result = measure_latency(victim, TEXTS, batch=4, repeats=3)
    tokens = sum(len(ids) for ids in victim.encode(TEXTS)["input_ids"])
    assert replace(result, seconds=Spread(0, 0, 0), device="") == latency.Latency(
        "tiny-bert",
        "dense",
        Spread(0, 0, 0),
        4,
        6,
        tokens,
        3,
        "",
        "float32",
        torch.get_num_threads(),
    )
    assert result.device and 0 < result.seconds.low <= result.seconds.median <= result.seconds.high


def test_sides_are_measured_in_turn_and_compared_round_by_round(
    victim: Victim, pruned: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    # two rounds of warm-up
    times = {
        "dense": iter([90, 90, 6, 12, 18]),
        "csr": iter([1, 1, 12, 6, 36]),
    }
    order: list[str] = []

    def seconds(model: Any, *_: object) -> float:
        order.append(
            "csr"
            if any(isinstance(module, latency.CsrLinear) for module in model.modules())
            else "dense"
        )
        return float(next(times[order[-1]]))

    monkeypatch.setattr(latency, "_seconds", seconds)
    result = compare_latency([(victim, "dense"), (pruned, "csr")], TEXTS, repeats=3)
    assert order == ["dense", "csr"] * 5
    assert [side.seconds.median for side in result.sides] == [2.0, 2.0]
    assert result.ratios[0] == Spread(1.0, 1.0, 1.0)
    # of 2, 0.5, 2
    assert result.ratios[1].median == 2.0 and result.ratios[1].low == pytest.approx(0.65)


def test_every_sentence_is_in_one_batch_and_little_is_padded(victim: Victim) -> None:
    batches = latency._batches(victim, TEXTS, None, 4)
    lengths = [int(length) for part in batches for length in part["attention_mask"].sum(dim=1)]
    assert lengths == sorted(len(ids) for ids in victim.encode(TEXTS)["input_ids"])
    assert [len(part["input_ids"]) for part in batches] == [4, 2]
    assert len(latency._batches(victim, TEXTS, TEXTS, 6)[0]["input_ids"]) == 6


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.97])
def test_csr_computes_what_dense_computes(victim: Victim, sparsity: float) -> None:
    sparse = prune(victim, (), None, METHODS["magnitude"], sparsity).victim
    sparse.prunable()["0.query"].zero_()
    before = weights_sha256(sparse.model)
    model = in_form(sparse, "csr")
    assert sum(isinstance(module, latency.CsrLinear) for module in model.modules()) == 12
    with torch.inference_mode():
        for inputs in latency._batches(sparse, TEXTS, None, 4):
            torch.testing.assert_close(
                model(**inputs).logits, sparse.model(**inputs).logits, atol=1e-5, rtol=0
            )
    assert weights_sha256(sparse.model) == before


def test_only_the_warning_of_the_construction_is_held_back(pruned: Victim) -> None:
    filters = list(warnings.filters)
    in_form(pruned, "csr")
    assert list(warnings.filters) == filters


def test_the_pattern_is_recognised() -> None:
    assert is_two_four(torch.tensor([[0.0, 1, 2, -0.0, 0, 0, 0, 3]]))
    assert not is_two_four(torch.tensor([[0.0, 1, 2, 3, 0, 0, 0, 0]]))
    assert not is_two_four(torch.zeros(2, 6))


def test_two_four_wants_the_pattern(pruned: Victim) -> None:
    with pytest.raises(
        SettingError, match=r"0\.query of tiny-bert at 75 % does not have two zeros in every four"
    ):
        measure_latency(pruned, TEXTS, form="2:4", dtype=torch.float16)


def test_two_four_wants_a_gpu(victim: Victim) -> None:
    with pytest.raises(SettingError, match="needs an NVIDIA GPU and the model is on cpu"):
        measure_latency(two_four(victim), TEXTS, form="2:4", dtype=torch.float16)


def test_two_four_wants_a_gpu_that_can(victim: Victim, gpu: SimpleNamespace) -> None:
    gpu.capability = (7, 5)
    with pytest.raises(SettingError, match=r"Some GPU has compute capability 7\.5"):
        in_form(two_four(victim), "2:4", torch.float16)


def test_two_four_wants_half_precision(victim: Victim, gpu: SimpleNamespace) -> None:
    with pytest.raises(SettingError, match=r"not available in torch\.float32; use `dtype=float16`"):
        in_form(two_four(victim), "2:4")


def test_a_shape_that_the_gpu_cannot_take_is_named(victim: Victim, gpu: SimpleNamespace) -> None:
    # what torch says of this machine's
    with pytest.raises(SettingError, match=r"weight of \(32, 32\) \(.*Only CUDA tensors"):
        in_form(two_four(victim), "2:4", torch.float16)


def test_csr_is_for_the_cpu_in_single_precision(victim: Victim, gpu: SimpleNamespace) -> None:
    with pytest.raises(SettingError, match="csr is measured on the CPU in float32, not on cuda"):
        in_form(victim, "csr")


def test_settings_out_of_range(victim: Victim) -> None:
    for wrong, match in (
        ({"batch": 0}, "batch is 0"),
        ({"repeats": -1}, "repeats is -1"),
        ({"form": "coo"}, "'coo'"),
        ({"form": "csr", "dtype": torch.float16}, "csr is measured"),
    ):
        with pytest.raises(SettingError, match=match):
            measure_latency(victim, TEXTS, **wrong)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="0 texts and 1 models"):
        measure_latency(victim, [])
    with pytest.raises(SettingError, match="6 texts and 0 models"):
        compare_latency([], TEXTS)


def test_models_and_texts_are_found_by_name(model_folder: Any, data_folder: Any) -> None:
    result = latency_of(
        [str(model_folder)] * 2, str(data_folder), None, 5, 2, 1, "float32", 0, "cpu"
    )
    assert [side.form for side in result.sides] == ["dense", "csr", "dense", "csr"]
    assert {side.sentences for side in result.sides} == {5}
    half = latency_of([str(model_folder)], str(data_folder), None, 5, 2, 1, "bfloat16", 0, "cpu")
    assert [(side.form, side.dtype) for side in half.sides] == [("dense", "bfloat16")]
    with pytest.raises(SettingError, match="0 examples"):
        latency_of([str(model_folder)], str(data_folder), None, 0, 2, 1, "float32", 0, "cpu")
    with pytest.raises(DataError):
        latency_of([str(model_folder)], "./nowhere.tsv", None, 5, 2, 1, "float32", 0, "cpu")


def test_a_csr_linear_keeps_the_shape_of_its_input() -> None:
    linear = nn.Linear(5, 3)
    for shape in ((5,), (2, 5), (2, 4, 5)):
        value = torch.randn(*shape)
        torch.testing.assert_close(latency.CsrLinear(linear)(value), linear(value))

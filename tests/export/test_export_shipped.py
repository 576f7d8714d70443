"""Pruned models that ship: rounded as said, exact where they must be, and refused when damaged."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prunescope.engine.errors import DamagedEntryError
from prunescope.engine.export.shipped import open_shipped, rounded, save_shipped
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.methods import method_named
from prunescope.engine.pruning.pipeline import Pruned, prune
from prunescope.engine.records import Rate
from prunescope.engine.store import Store, victim_key
from prunescope.engine.store.shipped import ShippedModel, shipped_model, shipped_models

TEXTS = [
    f"{word} film of a {word} plot and a {word} cast"
    for word in "good bad dull slow warm cold".split()
] * 3
IDENTITY = {"schema": 1, "victim": "aa", "calibration": "bb", "max_tokens": 64, "plan": {}}
MEASURED: dict[str, Any] = {
    "acc": asdict(Rate.of(8, 9)),
    "aua": asdict(Rate.of(1, 9)),
    "asr": asdict(Rate.of(7, 8)),
    "predictions_changed": 1,
    "outcomes_changed": 2,
}


@pytest.fixture
def pruned(victim: Victim) -> Pruned:
    """Also with repaired biases, so that more than the weights has changed."""
    return prune(victim, TEXTS, None, method_named("adaptive:centre=on"), 0.5)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "user", tmp_path / "bundled")


@pytest.fixture
def shipped(store: Store, pruned: Pruned, victim: Victim) -> ShippedModel:
    key = victim_key(IDENTITY, 0.5)
    path = store.bundled / "victims" / f"{key}.safetensors"
    save_shipped(path, pruned, victim, 6, "f" * 64, MEASURED)
    model = shipped_model(store, IDENTITY, 0.5)
    assert model is not None
    return model


def test_it_says_what_it_is_and_what_was_measured_without_being_opened(
    store: Store, shipped: ShippedModel, pruned: Pruned
) -> None:
    assert (shipped.sparsity, shipped.achieved, shipped.weight_bits) == (0.5, pruned.achieved, 6)
    assert (shipped.acc, shipped.aua, shipped.asr) == tuple(
        Rate(**MEASURED[name]) for name in ("acc", "aua", "asr")
    )
    assert (shipped.predictions_changed, shipped.outcomes_changed) == (1, 2)
    assert shipped.bytes == shipped.path.stat().st_size
    assert shipped_models(store) == (shipped,)
    assert shipped_model(store, IDENTITY, 0.6) is None
    assert shipped_model(store, {**IDENTITY, "calibration": "cc"}, 0.5) is None


def test_it_opens_as_it_was_rounded_with_the_very_zeros_and_all_else_exact(
    shipped: ShippedModel, pruned: Pruned, victim: Victim
) -> None:
    opened, expected = open_shipped(shipped, victim), rounded(pruned, victim, 6)
    state, exact = opened.victim.model.state_dict(), pruned.victim.model.state_dict()
    for name, value in expected.victim.model.state_dict().items():
        assert torch.equal(state[name], value), name
    rounded_names = set()
    for layer, weight in opened.victim.prunable().items():
        before = pruned.victim.prunable()[layer]
        assert torch.equal(weight == 0, before == 0), layer
        rounded_names |= {name for name in state if state[name].data_ptr() == weight.data_ptr()}
    assert len(rounded_names) == 12
    for name in set(state) - rounded_names:
        assert torch.equal(state[name], exact[name]), name
    assert (opened.layers, opened.achieved) == (pruned.layers, pruned.achieved)


def test_what_pruning_left_alone_is_in_memory_once_and_the_dense_model_stays_as_it_was(
    shipped: ShippedModel, victim: Victim
) -> None:
    before = {name: value.clone() for name, value in victim.model.state_dict().items()}
    opened = open_shipped(shipped, victim).victim
    embeddings, own = (
        model.bert.embeddings.word_embeddings.weight for model in (victim.model, opened.model)
    )
    assert embeddings.data_ptr() == own.data_ptr()
    for name, value in victim.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    with torch.no_grad():
        opened.prunable()["0.query"].zero_()
    assert torch.equal(victim.prunable()["0.query"], before[_name_of(victim, "0.query")])


def _name_of(victim: Victim, layer: str) -> str:
    address = victim.prunable()[layer].data_ptr()
    state = victim.model.state_dict()
    return next(name for name in state if state[name].data_ptr() == address)


def test_no_flipped_byte_is_used(shipped: ShippedModel, victim: Victim) -> None:
    whole = shipped.path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    positions = [*range(0, header, 97), *range(header, len(whole), 1501), len(whole) - 1]
    for position in positions:
        damaged = whole[:position] + bytes([whole[position] ^ 0x01]) + whole[position + 1 :]
        shipped.path.write_bytes(damaged)
        with pytest.raises(DamagedEntryError):
            open_shipped(shipped, victim)
    shipped.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedEntryError):
        open_shipped(shipped, victim)


def test_it_opens_over_no_other_dense_model_and_under_no_other_key(
    shipped: ShippedModel, victim: Victim
) -> None:
    with pytest.raises(DamagedEntryError, match="it is another model's"):
        open_shipped(shipped, replace(victim, fingerprint="0" * 64))
    path = shipped.path.rename(shipped.path.with_name(f"{'0' * 64}.safetensors"))
    with pytest.raises(DamagedEntryError, match="it is another model's"):
        open_shipped(replace(shipped, path=path), victim)


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, b"\x02\0\0\0\0\0\0\0{}", b"\x04\0\0\0\0\0\0\0null"]
)
def test_a_file_that_does_not_say_what_it_is_is_left_out(
    store: Store, shipped: ShippedModel, content: bytes
) -> None:
    shipped.path.write_bytes(content)
    assert shipped_models(store) == () and shipped_model(store, IDENTITY, 0.5) is None

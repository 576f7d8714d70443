"""Pruned victims on disk: packed and back, verified when read, the least recently used removed."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from prunescope.engine.baselines.blocks import first_blocks
from prunescope.engine.errors import StoreError
from prunescope.engine.export import pruned_models
from prunescope.engine.export.pruned_models import (
    load_pruned,
    pack,
    save_pruned,
    unpack,
)
from prunescope.engine.models.fingerprint import fingerprint_of, weights_sha256
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.methods import METHODS, method_named
from prunescope.engine.pruning.pipeline import Pruned, prune
from prunescope.engine.store import Store, victim_key
from prunescope.engine.store.checksummed import read_about, read_checksummed

TEXTS = [
    f"{first} {second} of a {third} and {fourth}"
    for first, second, third, fourth in zip(
        "good bad dull bright slow warm cold sharp".split(),
        "film story plot scene cast music actor end".split(),
        "long short fine grim sweet bitter loud quiet".split(),
        "funny sad plain rich poor weak strong great".split(),
        strict=True,
    )
]
IDENTITY = {
    "schema": 1,
    "victim": "aa",
    "calibration": "bb",
    "max_tokens": 64,
    "plan": {"method": {"name": "adaptive"}, "pattern": "unstructured"},
    "held_out": "cc",
    "attack": None,
    "seed": 0,
}


@pytest.fixture
def pruned(victim: Victim) -> Pruned:
    return prune(victim, TEXTS, None, METHODS["adaptive"], 0.5)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "user", tmp_path / "bundled")


def bits(tensor: Tensor) -> bytes:
    return bytes(tensor.contiguous().view(torch.uint8).numpy().tobytes())


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 5), (8, 8), (5, 13), (32, 33)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_weight_comes_back_bit_for_bit(shape: Sequence[int], share: float) -> None:
    weight = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    weight = torch.where(
        torch.rand(*shape, generator=torch.Generator().manual_seed(2)) < share, 0.0, weight
    )
    packed = pack({"0.query": weight})
    assert packed["0.query.bitmap"].numel() == -(-weight.numel() // 8)
    assert packed["0.query.survivors"].numel() == int((weight != 0).sum())
    assert bits(unpack(packed, "0.query", torch.empty(*shape))) == bits(weight)


def test_the_smallest_numbers_survive_and_a_negative_zero_is_a_zero() -> None:
    weight = torch.tensor([[1e-45, -1e-45, -0.0], [0.0, -3.4e38, float(torch.finfo().tiny)]])
    packed = pack({"w": weight})
    assert packed["w.survivors"].numel() == 4
    back = unpack(packed, "w", weight)
    assert torch.equal(back, weight)
    assert not back[0, 2].signbit()


def test_what_is_loaded_is_what_was_saved(store: Store, victim: Victim, pruned: Pruned) -> None:
    path = save_pruned(store, "key", pruned, victim)
    result = load_pruned(store, "key", victim)
    assert result is not None and store.notices == []
    assert (result.sparsity, result.layers) == (pruned.sparsity, pruned.layers)
    expected = pruned.victim.model.state_dict()
    for name, value in result.victim.model.state_dict().items():
        assert bits(value) == bits(expected[name]), name
    assert path.parent == store.root / "victims"


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("adaptive", set()),
        ("wanda", set()),
        ("paper", {"bert.pooler.dense.weight", "classifier.weight"}),
        (
            "adaptive:centre=on",
            {
                f"bert.encoder.layer.{block}.{name}.bias"
                for block in range(2)
                for name in (
                    "attention.self.query",
                    "attention.self.key",
                    "attention.self.value",
                    "attention.output.dense",
                    "intermediate.dense",
                    "output.dense",
                )
            },
        ),
    ],
)
def test_what_a_method_changes_beside_the_weights_is_kept(
    store: Store, victim: Victim, name: str, changed: set[str]
) -> None:
    pruned = prune(victim, TEXTS, None, method_named(name), 0.5)
    with safe_open(str(save_pruned(store, "key", pruned, victim)), framework="pt") as file:
        stored = {
            key.removeprefix(pruned_models.OTHER)
            for key in file.keys()  # noqa: SIM118  not a dict
            if key.startswith(pruned_models.OTHER)
        }
    assert stored == changed
    result = load_pruned(store, "key", victim)
    assert result is not None and (result.layers, result.notices) == (pruned.layers, pruned.notices)
    assert weights_sha256(result.victim.model) == weights_sha256(pruned.victim.model)
    assert fingerprint_of(victim.model, victim.tokenizer) == victim.fingerprint


def test_notices_come_back(store: Store, victim: Victim, pruned: Pruned) -> None:
    save_pruned(store, "key", replace(pruned, notices=("few tokens", "memory – ran out")), victim)
    result = load_pruned(store, "key", victim)
    assert result is not None and result.notices == ("few tokens", "memory – ran out")


def test_loading_leaves_the_dense_victim_as_it_was(
    store: Store, victim: Victim, pruned: Pruned
) -> None:
    before = {name: value.clone() for name, value in victim.prunable().items()}
    save_pruned(store, "key", pruned, victim)
    load_pruned(store, "key", victim)
    assert all(torch.equal(value, before[name]) for name, value in victim.prunable().items())


def test_what_was_not_saved_is_none_without_a_notice(store: Store, victim: Victim) -> None:
    assert load_pruned(store, "key", victim) is None
    assert store.notices == []


def test_no_flipped_byte_is_used(store: Store, victim: Victim, pruned: Pruned) -> None:
    path = save_pruned(store, "key", pruned, victim)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    positions = [*range(0, header, 11), *range(header, len(whole), 1501), len(whole) - 1]
    for position in positions:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x01]) + whole[position + 1 :])
        assert load_pruned(store, "key", victim) is None, f"byte {position}"
    assert len(store.notices) == len(positions) and not path.exists()


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, 5000, -1])
def test_a_truncated_file_is_not_used(
    store: Store, victim: Victim, pruned: Pruned, keep: int
) -> None:
    path = save_pruned(store, "0123456789abcdef", pruned, victim)
    path.write_bytes(path.read_bytes()[:keep])
    assert load_pruned(store, "0123456789abcdef", victim) is None
    assert "0123456789ab is damaged" in store.notices[0]


@pytest.mark.parametrize(
    ("old", "new"), [(b'"dtype":"U8"', b'"dtype":"I8"'), (b'"dtype":"F32"', b'"dtype":"I32"')]
)
def test_weights_of_another_type_are_not_used(
    store: Store, victim: Victim, pruned: Pruned, old: bytes, new: bytes
) -> None:
    path = save_pruned(store, "key", pruned, victim)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    assert load_pruned(store, "key", victim) is None
    assert len(store.notices) == 1


def test_weights_of_another_model_are_not_used(
    store: Store, victim: Victim, pruned: Pruned
) -> None:
    path = save_pruned(store, "key", pruned, victim)
    shallow = first_blocks(victim, 1)
    save_pruned(store, "key", replace(pruned, victim=shallow), shallow)
    assert load_pruned(store, "key", pruned.victim) is None
    assert len(store.notices) == 1 and not path.exists()


def test_a_file_under_another_key_is_not_used(store: Store, victim: Victim, pruned: Pruned) -> None:
    os.replace(
        save_pruned(store, "key", pruned, victim), store.root / "victims" / "other.safetensors"
    )
    assert load_pruned(store, "other", victim) is None
    assert "it is another model's" in store.notices[0]


def write_as_before(path: Path, store: Store, key: str) -> None:
    """A saved file in the format of before 2026-12: a checksum of the tensors, not of the file."""
    about, tensors = read_about(path), read_checksummed(path)
    text = json.dumps({name: about[name] for name in ("sparsity", "layers", "notices")})
    digest = hashlib.sha256(f"{key}|{text}".encode())
    for name in sorted(tensors):
        digest.update(f"|{name}|{tensors[name].dtype}|{tuple(tensors[name].shape)}|".encode())
        digest.update(tensors[name].contiguous().view(torch.uint8).numpy().tobytes())
    envelope = json.dumps({"sha256": digest.hexdigest(), "about": text})
    save_file(tensors, store.root / "victims" / f"{key}.safetensors", {"prunescope": envelope})


def test_a_file_of_before_is_read_and_its_damage_noticed(
    store: Store, victim: Victim, pruned: Pruned
) -> None:
    path = save_pruned(store, "key", pruned, victim)
    write_as_before(path, store, "key")
    loaded = load_pruned(store, "key", victim)
    assert loaded is not None and loaded.layers == pruned.layers
    assert weights_sha256(loaded.victim.model) == weights_sha256(pruned.victim.model)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 0x01]))
    assert load_pruned(store, "key", victim) is None
    assert "checksum does not match" in store.notices[0]
    write_as_before(save_pruned(store, "other", pruned, victim), store, "key")
    os.replace(path, path.with_name("other.safetensors"))
    assert load_pruned(store, "other", victim) is None


def test_a_file_that_cannot_be_read_is_a_store_error(
    store: Store, victim: Victim, pruned: Pruned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = save_pruned(store, "key", pruned, victim)
    monkeypatch.setattr(pruned_models, "read_about", refused)
    with pytest.raises(StoreError, match="Permission denied"):
        load_pruned(store, "key", victim)
    assert path.is_file()


def test_the_least_recently_used_goes_first(
    store: Store, victim: Victim, pruned: Pruned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruned_models, "MOST", 3)
    for age, key in enumerate(["a", "b", "c"]):
        os.utime(save_pruned(store, key, pruned, victim), (1000 + age, 1000 + age))
    assert load_pruned(store, "a", victim) is not None  # now the youngest
    save_pruned(store, "d", pruned, victim)
    assert sorted(path.stem for path in (store.root / "victims").iterdir()) == ["a", "c", "d"]


@pytest.mark.parametrize("name", ["schema", "victim", "calibration", "max_tokens", "plan"])
def test_what_decides_the_weights_enters_the_key(name: str) -> None:
    assert victim_key({**IDENTITY, name: "other"}, 0.5) != victim_key(IDENTITY, 0.5)


@pytest.mark.parametrize("name", ["held_out", "attack", "seed"])
def test_what_only_measures_does_not_enter_the_key(name: str) -> None:
    assert victim_key({**IDENTITY, name: "other"}, 0.5) == victim_key(IDENTITY, 0.5)
    assert victim_key(IDENTITY, 0.6) != victim_key(IDENTITY, 0.5)


def test_a_kept_victim_has_one_metadata_entry_so_that_its_bytes_are_the_same_in_every_process(
    store: Store, victim: Victim, pruned: Pruned
):
    with safe_open(
        str(save_pruned(store, victim_key(IDENTITY, 0.5), pruned, victim)), framework="pt"
    ) as file:
        assert list(file.metadata()) == ["prunescope"]

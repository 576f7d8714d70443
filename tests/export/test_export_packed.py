"""Packed folders: smaller, and bit for bit the same weights."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from prunescope.engine.errors import ModelError, SettingError, StoreError
from prunescope.engine.export.folder import check_form, export_model, unpack_folder
from prunescope.engine.export.packed import save_packed
from prunescope.engine.export.packed_size import PackedSize
from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.packed import FILE, open_packed, pack, unpack
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning.methods import METHODS
from prunescope.engine.pruning.pipeline import prune
from prunescope.engine.store import checksummed

PROVENANCE = {"sparsity": 0.75, "sha256": "0" * 64}  # which must not be taken for the file's own
Change = Callable[[dict[str, Tensor], dict[str, Any]], object]


@pytest.fixture
def pruned(victim: Victim) -> Victim:
    return prune(victim, (), None, METHODS["magnitude"], 0.75).victim


@pytest.fixture
def folder(pruned: Victim, tmp_path: Path) -> Path:
    save_packed(pruned, tmp_path / "packed", PROVENANCE)
    return tmp_path / "packed"


def bits(tensor: Tensor) -> bytes:
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())


def same(result: Any, expected: Any) -> None:
    state = result.state_dict()
    assert list(state) == list(expected.state_dict())
    for name, value in expected.state_dict().items():
        assert bits(state[name]) == bits(value), name


def content(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(folder / FILE, framework="pt") as file:
        about = json.loads(file.metadata()["prunescope"])
        return {name: file.get_tensor(name).clone() for name in file.keys()}, about  # noqa: SIM118  not a dict


# Round trips


@pytest.mark.parametrize("seed", range(40))
def test_any_mask_of_any_shape_comes_back_bit_for_bit(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    shape = torch.randint(1, 40, (2,), generator=draw).tolist()
    share = (0.0, 1.0, float(torch.rand(1, generator=draw)))[seed % 3]
    # any bits
    weight = (
        torch.randint(-(2**31), 2**31, tuple(shape), generator=draw)
        .to(torch.int32)
        .view(torch.float32)
    )
    weight = torch.where(torch.rand(*shape, generator=draw) < share, 0.0, weight)
    back = unpack(pack({"w": weight}), "w", weight)
    assert bits(back) == bits(torch.where(weight == 0, 0.0, weight))  # −0.0 is a zero


def test_a_packed_folder_has_the_permissions_of_anything_new(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").touch()
    assert folder.stat().st_mode == (tmp_path / "new").stat().st_mode
    assert {path.stat().st_mode for path in folder.iterdir()} == {
        (tmp_path / "new" / "file").stat().st_mode
    }


def test_a_packed_folder_is_a_victim_with_the_same_weights_and_answers(
    folder: Path, pruned: Victim
) -> None:
    again = load_victim(str(folder), "cpu")
    same(again.model, pruned.model)
    assert again.fingerprint == fingerprint_of(pruned.model, pruned.tokenizer)
    assert (
        not again.model.training
        and again.name == "packed"
        and again.label_names == pruned.label_names
    )
    assert torch.equal(again.read(["a good film"])[0], pruned.read(["a good film"])[0])
    assert again.encode(["a good film"]) == pruned.encode(["a good film"])


def test_a_roberta_comes_back_too(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    write_model = pytestconfig.pluginmanager.get_plugin(
        str(Path(__file__).parents[1] / "conftest.py")
    ).write_model
    dense = load_victim(str(write_model(tmp_path / "roberta", family="roberta")), "cpu")
    expected = prune(dense, (), None, METHODS["magnitude"], 0.5).victim
    save_packed(expected, tmp_path / "packed", {})
    same(load_victim(str(tmp_path / "packed"), "cpu").model, expected.model)


def test_what_gains_nothing_is_kept_as_an_ordinary_tensor(victim: Victim, tmp_path: Path) -> None:
    victim.prunable()["0.query"].zero_()
    size = save_packed(victim, tmp_path / "packed", {})
    model, info = open_packed(tmp_path / "packed")
    assert info.packed == ("bert.encoder.layer.0.attention.self.query.weight",) and (
        size.packed,
        size.matrices,
    ) == (1, 12)
    same(model, victim.model)


def test_a_shared_tensor_is_stored_once(pruned: Victim, tmp_path: Path) -> None:
    layers = pruned.model.bert.encoder.layer
    layers[1].output.LayerNorm = layers[0].output.LayerNorm
    layers[1].output.dense.bias = layers[0].output.dense.bias
    save_packed(pruned, tmp_path / "packed", {})
    stored, about = content(tmp_path / "packed")
    for name in ("LayerNorm.weight", "LayerNorm.bias", "dense.bias"):
        first, second = (f"bert.encoder.layer.{block}.output.{name}" for block in range(2))
        assert about["shared"][second] == first
        assert first in stored and second not in stored
    same(load_victim(str(tmp_path / "packed"), "cpu").model, pruned.model)


def test_windows_on_a_larger_tensor_are_stored_alone(pruned: Victim, tmp_path: Path) -> None:
    large = torch.randn(33, 32)
    pruned.model.bert.pooler.dense.weight.data, pruned.model.classifier.weight.data = (
        large[:32],
        large[31:],
    )
    save_packed(pruned, tmp_path / "packed", {})
    same(open_packed(tmp_path / "packed")[0], pruned.model)


def test_the_same_model_gives_the_same_bytes(pruned: Victim, folder: Path, tmp_path: Path) -> None:
    save_packed(pruned, tmp_path / "again", PROVENANCE)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_opening_leaves_the_random_state_alone_and_needs_the_file_no_more(folder: Path) -> None:
    before = torch.get_rng_state()
    model, _ = open_packed(folder)
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    (folder / FILE).write_bytes(b"\0" * (folder / FILE).stat().st_size)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


# fp16


def test_half_precision_rounds_the_remaining_weights_only(
    pruned: Victim, folder: Path, tmp_path: Path
) -> None:
    size = save_packed(pruned, tmp_path / "half", {}, half=True)
    model, info = open_packed(tmp_path / "half")
    assert info.half and size.half == 12
    names = set(info.packed)
    for name, value in model.state_dict().items():
        expected = pruned.model.state_dict()[name]
        assert torch.equal(value, expected.half().float() if name in names else expected), name
        assert torch.equal(value == 0, expected == 0)
    assert (tmp_path / "half" / FILE).stat().st_size < (folder / FILE).stat().st_size


@pytest.mark.parametrize("value", [70_000.0, -1e12, 1e-9, -1e-40])
def test_a_survivor_that_fp16_cannot_hold_keeps_its_weight_in_fp32(
    pruned: Victim, tmp_path: Path, value: float
) -> None:
    pruned.prunable()["1.value"][0, 0] = value
    size = save_packed(pruned, tmp_path / "half", {}, half=True)
    assert (size.half, size.matrices) == (11, 12) and "11 of 12" in size.sentence()
    again = load_victim(str(tmp_path / "half"), "cpu")
    assert bits(again.prunable()["1.value"]) == bits(pruned.prunable()["1.value"])


# What lies on disk


def test_the_config_names_the_class(pruned: Victim, tmp_path: Path) -> None:
    pruned.model.config.architectures = None
    save_packed(pruned, tmp_path / "packed", {})
    assert json.loads((tmp_path / "packed" / "config.json").read_text())["architectures"] == [
        "BertForSequenceClassification"
    ]
    assert pruned.model.config.architectures is None


def test_the_folder_holds_the_weights_once_and_says_where_they_come_from(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert {
        FILE,
        "config.json",
        "prunescope.json",
        "tokenizer.json",
    } <= names and "model.safetensors" not in names
    assert json.loads((folder / "prunescope.json").read_text()) == PROVENANCE
    _, info = open_packed(folder)
    assert (info.version, info.half, info.provenance) == (1, False, PROVENANCE)
    assert set(info.libraries) == {"torch", "transformers", "safetensors"}
    raw = (folder / FILE).read_bytes()
    assert hashlib.sha256(raw.replace(info.sha256.encode(), b"0" * 64)).hexdigest() == info.sha256


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.75, 0.9])
def test_the_sizes_are_those_of_the_files(victim: Victim, tmp_path: Path, sparsity: float) -> None:
    sparse = prune(victim, (), None, METHODS["magnitude"], sparsity).victim
    size = save_packed(sparse, tmp_path / "packed", {})
    assert size.file_bytes == (tmp_path / "packed" / FILE).stat().st_size
    assert (
        size.dense_bytes
        == (export_model(sparse, tmp_path / "dense", {}) / "model.safetensors").stat().st_size
    )
    weights = sum(weight.numel() for weight in sparse.prunable().values())
    assert size.prunable_dense == 4 * weights
    zeros = sum(int((weight == 0).sum()) for weight in sparse.prunable().values())
    assert size.prunable_packed == (
        weights // 8 + 4 * (weights - zeros) if sparsity else 4 * weights
    )
    tables = (part for part in sparse.model.modules() if isinstance(part, torch.nn.Embedding))
    assert size.embedding_bytes == 4 * sum(table.weight.numel() for table in tables)


def test_the_sentence_says_what_ls_says() -> None:
    size = PackedSize(41_230_000, 90_868_376, 47_674_368, 5_000_000, 42_467_328, 36, 36, 0)
    assert (
        size.sentence()
        == "41.2 MB on disk instead of 90.9 MB; the embeddings, 47.7 MB, are not pruned."
    )
    assert (round(size.ratio, 3), round(size.prunable_ratio, 3)) == (0.454, 0.118)
    assert "no less than" in PackedSize(100, 90, 1, 1, 1, 1, 0, 0).sentence()


def test_what_is_there_already_is_not_overwritten(pruned: Victim, folder: Path) -> None:
    before = (folder / FILE).read_bytes()
    with pytest.raises(StoreError, match="is there already"):
        save_packed(pruned, folder, {})
    assert (folder / FILE).read_bytes() == before


def test_a_write_that_fails_leaves_nothing(
    pruned: Victim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checksummed, "_digest", full_disk)
    with pytest.raises(StoreError, match=r"out cannot be written \(No space left"):
        save_packed(pruned, tmp_path / "out", {})
    assert list(tmp_path.iterdir()) == []


# Unpacking


def test_an_unpacked_folder_opens_as_an_ordinary_model(
    folder: Path, pruned: Victim, tmp_path: Path
) -> None:
    out = unpack_folder(folder, tmp_path / "out")
    same(AutoModelForSequenceClassification.from_pretrained(out), pruned.model)
    assert json.loads((out / "prunescope.json").read_text()) == PROVENANCE
    export_model(pruned, tmp_path / "exported", PROVENANCE)
    assert {
        path.name: path.read_bytes() for path in out.iterdir() if path.suffix == ".safetensors"
    } == {"model.safetensors": (tmp_path / "exported" / "model.safetensors").read_bytes()}


def test_only_a_packed_folder_is_unpacked(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a packed model folder"):
        unpack_folder(model_folder, tmp_path / "out")
    with pytest.raises(ModelError, match=f"has no {FILE}"):
        open_packed(model_folder)
    assert not (tmp_path / "out").exists()


def test_a_format_that_makes_no_sense_is_refused() -> None:
    for form, half, match in (("zip", False, "'zip'"), ("folder", True, "`half`")):
        with pytest.raises(SettingError, match=match):
            check_form(form, half)

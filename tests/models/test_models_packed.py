"""Packed folders: smaller, bit for bit the same weights, and nothing damaged is ever opened."""

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
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
from prunescope.engine.store.checksummed import write_checksummed

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


def same(found: Any, wanted: Any) -> None:
    state = found.state_dict()
    assert list(state) == list(wanted.state_dict())
    for name, value in wanted.state_dict().items():
        assert bits(state[name]) == bits(value), name


def content(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(folder / FILE, framework="pt") as file:
        about = json.loads(file.metadata()["prunescope"])
        return {name: file.get_tensor(name).clone() for name in file.keys()}, about  # noqa: SIM118  not a dict


def resealed(folder: Path, change: Change) -> None:
    """Change the file and give it a checksum that fits, as a program with a mistake in it would."""
    tensors, about = content(folder)
    del about["sha256"]
    change(tensors, about)
    write_checksummed(folder / FILE, tensors, about)


def refused(folder: Path, match: str = "cannot be opened") -> None:
    with pytest.raises(ModelError, match=match) as raised:
        load_victim(str(folder), "cpu")
    assert "\n" not in str(raised.value)


# Round trips


@pytest.mark.parametrize("seed", range(40))
def test_any_mask_of_any_shape_comes_back_bit_for_bit(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    shape = torch.randint(1, 40, (2,), generator=draw).tolist()
    share = (0.0, 1.0, float(torch.rand(1, generator=draw)))[seed % 3]
    weight = (
        torch.randint(-(2**31), 2**31, tuple(shape), generator=draw)
        .to(torch.int32)
        .view(torch.float32)
    )  # any bits
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
    wanted = prune(dense, (), None, METHODS["magnitude"], 0.5).victim
    save_packed(wanted, tmp_path / "packed", {})
    same(load_victim(str(tmp_path / "packed"), "cpu").model, wanted.model)


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
    layers[1].output.dense.weight = layers[0].output.dense.weight
    layers[1].output.dense.bias = layers[0].output.dense.bias
    save_packed(pruned, tmp_path / "packed", {})
    stored, about = content(tmp_path / "packed")
    assert (
        about["shared"]["bert.encoder.layer.1.output.dense.weight"]
        == "bert.encoder.layer.0.output.dense.weight"
    )
    assert (
        "bert.encoder.layer.0.output.dense.bias" in stored
        and "bert.encoder.layer.1.output.dense.bias" not in stored
    )
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
    wanted = {name: value.clone() for name, value in model.state_dict().items()}
    (folder / FILE).write_bytes(b"\0" * (folder / FILE).stat().st_size)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, wanted[name]) for name, value in model.state_dict().items())


# fp16


def test_half_precision_rounds_the_survivors_only(
    pruned: Victim, folder: Path, tmp_path: Path
) -> None:
    size = save_packed(pruned, tmp_path / "half", {}, half=True)
    model, info = open_packed(tmp_path / "half")
    assert info.half and size.half == 12
    names = set(info.packed)
    for name, value in model.state_dict().items():
        wanted = pruned.model.state_dict()[name]
        assert torch.equal(value, wanted.half().float() if name in names else wanted), name
        assert torch.equal(value == 0, wanted == 0)
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
    table = sparse.model.bert.embeddings
    assert size.embedding_bytes == 4 * sum(parameter.numel() for parameter in table.parameters())


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
    for form, half, match in (("zip", False, "'zip'"), ("dense", True, "`half` rounds")):
        with pytest.raises(SettingError, match=match):
            check_form(form, half)


# Damage


def test_no_random_corruption_passes(folder: Path) -> None:
    path = folder / FILE
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    draw = random.Random(0)
    for turn in range(200):
        damaged = bytearray(whole)
        end = (header, len(whole))[turn % 2]
        kind = draw.choice(["byte", "bit", "swap", "cut", "append", "zeros", "insert"])
        place, other = draw.randrange(end), draw.randrange(len(whole))
        if kind == "byte":
            damaged[place] ^= draw.randrange(1, 256)
        elif kind == "bit":
            damaged[place] ^= 1 << draw.randrange(8)
        elif kind == "swap":
            damaged[place], damaged[other] = damaged[other], damaged[place]
        elif kind == "cut":
            del damaged[place:]
        elif kind == "append":
            damaged += draw.randbytes(draw.randrange(1, 20))
        elif kind == "zeros":
            damaged[place : place + 16] = bytes(len(damaged[place : place + 16]))
        else:
            damaged.insert(place, draw.randrange(256))
        if bytes(damaged) == whole:
            damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"model\.packed\.safetensors"):
            open_packed(folder)
    path.write_bytes(whole)
    assert open_packed(folder)[1].provenance == PROVENANCE


def test_white_space_in_the_header_is_under_the_checksum_too(folder: Path) -> None:
    whole = (folder / FILE).read_bytes()
    length = int.from_bytes(whole[:8], "little")
    (folder / FILE).write_bytes(
        (length + 8).to_bytes(8, "little") + whole[8 : 8 + length] + b" " * 8 + whole[8 + length :]
    )
    assert load_file(folder / FILE)  # as safetensors, there is nothing wrong with it
    refused(folder, "checksum does not match")


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 200_000_000, 0])
def test_an_impossible_header_is_refused(folder: Path, length: int) -> None:
    whole = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(length.to_bytes(8, "little") + whole[8:])
    refused(folder)


NAME = "bert.encoder.layer.0.attention.self.query.weight"


def shorter(name: str) -> Change:
    return lambda tensors, about: tensors.update({name: tensors[name][:-1].contiguous()})


def retyped(name: str, dtype: torch.dtype) -> Change:
    return lambda tensors, about: tensors.update({name: tensors[name].to(dtype)})


def stray_bit(tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """A bit for a weight that is not there, in a shape that does not fill its last byte."""
    about["packed"][NAME] = [31, 33]
    flat = torch.ones(31 * 33)
    tensors.update(pack({NAME: flat}))
    tensors[f"{NAME}.bitmap"][-1] = 255


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (shorter(f"{NAME}.bitmap"), "bitmap of .* has 127 bytes for 1024 weights"),
        (shorter(f"{NAME}.survivors"), "has 255 survivors and a bitmap with 256"),
        (retyped(f"{NAME}.bitmap", torch.int16), "stored as torch.int16"),
        (retyped(f"{NAME}.survivors", torch.float64), "and torch.float64"),
        (stray_bit, "has 1023 survivors and a bitmap with 1024"),
        (lambda tensors, about: tensors.pop(f"{NAME}.bitmap"), "query.weight.bitmap"),
        (lambda tensors, about: tensors.pop("classifier.bias"), "do not agree on classifier.bias"),
        (lambda tensors, about: tensors.update(more=torch.zeros(1)), "do not agree on more"),
        (
            lambda tensors, about: tensors.update({"classifier.bias": torch.zeros(3)}),
            "cannot be opened",
        ),
        (lambda tensors, about: about["packed"].update({NAME: [16, 64]}), "cannot be opened"),
        (
            lambda tensors, about: about["packed"].update({NAME: [-32, -32]}),
            r"the shape \[-32, -32\]",
        ),
        (lambda tensors, about: about["packed"].update({NAME: [2**40, 2**40]}), "bitmap of"),
        (lambda tensors, about: about["packed"].update({NAME: None}), "cannot be opened"),
        (lambda tensors, about: about.update(packed=7), "cannot be opened"),
        (lambda tensors, about: about.update(shared={"classifier.bias": "nowhere"}), "nowhere"),
        (lambda tensors, about: about.update(format="zip"), "its format is 'zip'"),
        (lambda tensors, about: about.update(version="new"), "its version is 'new'"),
        (
            lambda tensors, about: about.update(version=2),
            "has version 2 .* reads up to 1; update PruneScope",
        ),
        (lambda tensors, about: about.pop("half"), "half"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    folder: Path, change: Change, match: str
) -> None:
    resealed(folder, change)
    refused(folder, match)


@pytest.mark.parametrize(
    "entry",
    [
        "null",
        "[]",
        "{",
        "[" * 100_000,
        '{"sha256": 1}',
        '{"format": "prunescope-packed", "version": 1}',
    ],
)
def test_a_description_that_is_none_is_refused(folder: Path, entry: str) -> None:
    checksummed.save_file(content(folder)[0], folder / FILE, {"prunescope": entry})
    refused(folder, "cannot be opened as a packed model")


def test_other_safetensors_under_that_name_are_refused(folder: Path, model_folder: Path) -> None:
    shutil.copy(model_folder / "model.safetensors", folder / FILE)
    refused(folder, "does not say what it is")


def test_weights_that_lie_there_twice_are_refused(folder: Path, model_folder: Path) -> None:
    shutil.copy(model_folder / "model.safetensors", folder)
    refused(folder, "holds both")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"num_attention_heads": 0}, "cannot be opened"),
        ({"hidden_size": 48}, "cannot be opened"),
        ({"hidden_size": "wide"}, "cannot be opened"),
        ({"num_hidden_layers": 3}, "do not agree on bert.encoder.layer.2"),
        ({"model_type": "albert"}, "family 'albert'"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    folder: Path, changes: dict[str, object], match: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    refused(folder, match)


def test_a_folder_without_a_tokenizer_is_refused(folder: Path) -> None:
    for path in (*folder.glob("*token*"), *folder.glob("vocab*")):
        path.unlink()
    refused(folder, "has no tokenizer that can be opened")

"""Packed folders: nothing damaged is ever opened."""

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

from prunescope.engine.errors import ModelError
from prunescope.engine.export.packed import save_packed
from prunescope.engine.models.packed import FILE, open_packed, pack
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
        index, other = draw.randrange(end), draw.randrange(len(whole))
        if kind == "byte":
            damaged[index] ^= draw.randrange(1, 256)
        elif kind == "bit":
            damaged[index] ^= 1 << draw.randrange(8)
        elif kind == "swap":
            damaged[index], damaged[other] = damaged[other], damaged[index]
        elif kind == "cut":
            del damaged[index:]
        elif kind == "append":
            damaged += draw.randbytes(draw.randrange(1, 20))
        elif kind == "zeros":
            damaged[index : index + 16] = bytes(len(damaged[index : index + 16]))
        else:
            damaged.insert(index, draw.randrange(256))
        if bytes(damaged) == whole:
            damaged[index] ^= 1
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
        (shorter(f"{NAME}.survivors"), "has 255 remaining weights and a bitmap with 256"),
        (retyped(f"{NAME}.bitmap", torch.int16), "stored as torch.int16"),
        (retyped(f"{NAME}.survivors", torch.float64), "and torch.float64"),
        (stray_bit, "has 1023 remaining weights and a bitmap with 1024"),
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
        ({"model_type": "electra"}, "do not agree on bert.embeddings"),
        ({"model_type": "albert"}, "cannot be opened"),
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
    refused(folder, "has no tokenizer, none of tokenizer.json")

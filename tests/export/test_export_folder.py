"""Exported folders: an ordinary model with exact zeros, whole or not at all."""

import json
import zipfile
from pathlib import Path

import pytest
import torch
from small_models import write_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from prunescope.engine.errors import StoreError
from prunescope.engine.export.folder import export_model, zip_folder
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning.methods import METHODS
from prunescope.engine.pruning.pipeline import Pruned, prune


@pytest.fixture
def pruned(victim: Victim) -> Pruned:
    return prune(victim, (), None, METHODS["magnitude"], 0.75)


def test_an_exported_folder_opens_as_an_ordinary_model(pruned: Pruned, tmp_path: Path) -> None:
    folder = export_model(pruned.victim, tmp_path / "new" / "out", {"sparsity": 0.75})
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    for name, value in model.state_dict().items():
        assert torch.equal(value, pruned.victim.model.state_dict()[name]), name
    tokens = AutoTokenizer.from_pretrained(folder)("a good film")["input_ids"]
    assert tokens == pruned.victim.encode(["a good film"])["input_ids"][0]
    assert json.loads((folder / "prunescope.json").read_text()) == {"sparsity": 0.75}


def test_an_exported_folder_is_a_victim_with_the_same_answers(
    pruned: Pruned, tmp_path: Path
) -> None:
    again = load_victim(str(export_model(pruned.victim, tmp_path / "out", {})), "cpu")
    weights = again.prunable().values()
    assert sum(int((weight == 0).sum()) for weight in weights) == 0.75 * sum(
        weight.numel() for weight in weights
    )
    before, after = pruned.victim.model.state_dict(), again.model.state_dict()
    assert before.keys() == after.keys() and all(
        torch.equal(before[name], value) for name, value in after.items()
    )
    # Where a tensor lies in memory may decide which kernel multiplies it, so the answers agree to
    # rounding only.
    assert torch.allclose(
        again.read(["a good film"])[0], pruned.victim.read(["a good film"])[0], atol=1e-6
    )


def test_an_empty_folder_is_filled_and_nothing_else_is_left(pruned: Pruned, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export_model(pruned.victim, tmp_path / "out", {})
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert not list((tmp_path / "out").glob("*.bin"))


@pytest.mark.parametrize("name", ["full", "file"])
def test_what_is_there_already_is_not_overwritten(
    pruned: Pruned, tmp_path: Path, name: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=f"{name} is there already"):
        export_model(pruned.victim, tmp_path / name, {})
    assert (tmp_path / "full" / "mine.txt").read_text() == (tmp_path / "file").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_failed_export_leaves_nothing_and_can_be_repeated(
    pruned: Pruned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("prunescope.engine.store.atomic.os.replace", full_disk)
        with pytest.raises(StoreError, match=r"out cannot be written \(No space left"):
            export_model(pruned.victim, tmp_path / "out", {})
    assert list(tmp_path.iterdir()) == []
    assert export_model(pruned.victim, tmp_path / "out", {}).is_dir()


def test_a_folder_that_cannot_be_made_is_a_store_error(pruned: Pruned, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="file/out cannot be written"):
        export_model(pruned.victim, tmp_path / "file" / "out", {})


def test_an_ordinary_folder_leaves_as_one_file_that_transformers_opens(tmp_path: Path) -> None:
    victim = load_victim(str(write_model(tmp_path / "model")), "cpu")
    for weight in victim.prunable().values():
        weight[::2] = 0
    sentence = zip_folder(victim, tmp_path / "half.zip", {"sparsity": 0.5})
    assert "from_pretrained opens the folder inside" in sentence
    with zipfile.ZipFile(tmp_path / "half.zip") as archive:
        archive.extractall(tmp_path / "out")
        packed = sum(entry.compress_size for entry in archive.infolist())
        assert packed < sum(entry.file_size for entry in archive.infolist())
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "out" / "half", output_loading_info=True
    )
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    for name, value in victim.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert json.loads((tmp_path / "out" / "half" / "prunescope.json").read_text()) == {
        "sparsity": 0.5
    }

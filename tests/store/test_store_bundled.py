"""Every bundled study opens by its key, and what is read is exactly what is stored."""

from pathlib import Path

import pytest

from prunescope.engine import paths
from prunescope.engine.store import Store, entry_bytes, key_of, level_key
from prunescope.engine.store.entries import level_bytes

FOLDERS = sorted(path.parent for path in (paths.BUNDLED / "studies").glob("*/study.json"))


def test_there_are_bundled_studies() -> None:
    assert len(FOLDERS) >= 20


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name[:12])
def test_a_bundled_study_is_written_again_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "empty")
    study = store.study(folder.name)
    assert study is not None and study.key == folder.name == key_of(study.identity)
    head = entry_bytes("study", study.key, {"identity": study.identity, "about": study.about})
    levels = {}
    for level in study.levels:
        key = level_key(study.identity, level.sparsity)
        levels[f"{key}.json"] = level_bytes(key, level)
    stored = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    assert {"study.json": head, **levels} == stored
    assert levels and store.notices == []

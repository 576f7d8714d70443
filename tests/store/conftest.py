"""A user's store over an empty bundled one, and a study in it."""

from pathlib import Path

import pytest
from made_up_store import a_level, a_study

from prunescope.engine.records import Study
from prunescope.engine.store import Store, level_key


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A user's store over an empty bundled one."""
    (tmp_path / "bundled").mkdir()
    return Store(tmp_path / "user", tmp_path / "bundled")


@pytest.fixture
def saved_level(store: Store) -> tuple[Study, Path]:
    """A study with the levels 0.5 and 0.75, and the file of 0.5."""
    study = a_study()
    store.save_study(study)
    store.save_level(study, a_level(0.5))
    store.save_level(study, a_level(0.75))
    return study, store.root / "studies" / study.key / f"{level_key(study.identity, 0.5)}.json"

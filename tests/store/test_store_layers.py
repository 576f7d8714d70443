"""The user's store over the bundled one."""

from pathlib import Path

import pytest
from made_up_store import IDENTITY, a_level, a_study

from prunescope.engine.store import (
    Store,
    level_key,
    write_atomic,
)


@pytest.fixture
def shipped(tmp_path: Path) -> Store:
    """A user's store over a bundled one that holds a study with the levels 0.5 and 0.75."""
    bundled = Store(tmp_path / "bundled", tmp_path / "none")
    bundled.save_study(a_study())
    bundled.save_level(a_study(), a_level(0.5))
    bundled.save_level(a_study(), a_level(0.75))
    return Store(tmp_path / "user", tmp_path / "bundled")


@pytest.mark.parametrize("name", ["study.json", f"{level_key(IDENTITY, 0.5)}.json"])
def test_a_damaged_bundled_entry_is_never_moved(shipped: Store, name: str) -> None:
    path = shipped.bundled / "studies" / a_study().key / name
    path.write_bytes(b"damaged")
    shipped.studies()
    shipped.study(a_study().key)
    shipped.level(a_study(), 0.5)
    assert path.read_bytes() == b"damaged"
    assert "It is bundled" in shipped.notices[0] and not (shipped.root / "damaged").exists()


def test_a_bundled_store_inside_the_users_own_is_not_touched(tmp_path: Path) -> None:
    bad = tmp_path / "bundled" / "studies" / a_study().key / "study.json"
    write_atomic(bad, b"damaged")
    assert Store(tmp_path, tmp_path / "bundled").studies() == []
    assert bad.read_bytes() == b"damaged"


def test_studies_lists_the_bundled_first_and_each_once(shipped: Store) -> None:
    own = a_study(seed=1)
    shipped.save_study(own)
    shipped.save_study(a_study())  # the bundled one again
    assert [(study.key, study.bundled) for study in shipped.studies()] == [
        (a_study().key, True),
        (own.key, False),
    ]


def test_a_study_merges_the_users_levels_over_the_bundled_ones(shipped: Store) -> None:
    shipped.save_level(a_study(), a_level(0.5, hits=4))
    shipped.save_level(a_study(), a_level(0.25))
    result = shipped.study(a_study().key)
    assert result is not None and result.bundled
    assert result.levels == (a_level(0.25), a_level(0.5, hits=4), a_level(0.75))
    assert shipped.level(a_study(), 0.5) == a_level(0.5, hits=4)
    assert shipped.level(a_study(), 0.75) == a_level(0.75)

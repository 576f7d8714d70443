"""Where a checkout and an installed copy keep results, and how their processes find the package."""

import os
from pathlib import Path

import platformdirs
import pytest

from prunescope.engine import paths


def test_a_checkout_keeps_results_in_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRUNESCOPE_CACHE", raising=False)
    assert paths.user_cache() == paths.PROJECT / "cache" / "user"


def test_an_installed_copy_keeps_results_in_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PRUNESCOPE_CACHE", raising=False)
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    assert paths.user_cache() == Path(platformdirs.user_data_dir("prunescope", appauthor=False))


def test_the_environment_names_another_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path))
    assert paths.user_cache() == tmp_path


def test_processes_of_a_checkout_import_it_first_and_nothing_of_their_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/theirs", str(paths.PROJECT)]))
    environment = paths.child_environment()
    assert environment["PYTHONPATH"] == os.pathsep.join([str(paths.PROJECT), "/theirs"])
    assert environment["PYTHONSAFEPATH"] == "1"


def test_processes_of_an_installed_copy_find_it_as_this_one_did(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert "PYTHONPATH" not in paths.child_environment()

"""What the models tests share: a way to write models of other families."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def write_model(pytestconfig: pytest.Config) -> Callable[..., Path]:
    """`write_model` of tests/conftest.py; the module name `conftest` is ambiguous."""
    house = pytestconfig.pluginmanager.get_plugin(str(Path(__file__).parents[1] / "conftest.py"))
    return house.write_model


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))

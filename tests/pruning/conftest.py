"""What the pruning tests share: calibration sentences, and a way to write models of other families."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.data import load_dataset


@pytest.fixture(scope="session")
def write_model(pytestconfig: pytest.Config) -> Callable[..., Path]:
    """`write_model` of tests/conftest.py; the module name `conftest` is ambiguous between folders."""
    house = pytestconfig.pluginmanager.get_plugin(str(Path(__file__).parents[1] / "conftest.py"))
    return house.write_model


@pytest.fixture(scope="session")
def sentences(data_folder: Path) -> tuple[str, ...]:
    train = load_dataset(str(data_folder)).train
    assert train is not None
    return train.texts

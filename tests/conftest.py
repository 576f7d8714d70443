"""Small real models and data that every room's tests share."""

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from prunescope.engine.config.environment import quiet_libraries

quiet_libraries()  # as every process of ours does, before anything loads transformers

from architectures import write_architecture  # noqa: E402
from small_models import write_model, write_reviews  # noqa: E402

from prunescope.engine.models.victim import Victim, load_victim  # noqa: E402


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-block BERT classifier on disk."""
    return write_model(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Victim]:
    """Small victims of many architectures by kind, each opened once."""
    folder, opened = tmp_path_factory.mktemp("architectures"), dict[str, Victim]()

    def victim(kind: str) -> Victim:
        if kind not in opened:
            opened[kind] = load_victim(str(write_architecture(folder / kind, kind)), "cpu")
        return opened[kind]

    return victim


@pytest.fixture(scope="session")
def steady_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of width 64: on several threads, a narrower one's last bits depend on where in a
    batch a text stands.
    """
    folder = tmp_path_factory.mktemp("models") / "steady-bert"
    return write_model(folder, seed=2, hidden_size=64, intermediate_size=128)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local data set with a train file (200 rows) and a validation file (60 rows)."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    write_reviews(folder / "train.tsv", 200, seed=1)
    write_reviews(folder / "validation.tsv", 60, seed=2)
    return folder


@pytest.fixture
def victim(model_folder: Path) -> Victim:
    return load_victim(str(model_folder), "cpu")


def pytest_collection_finish() -> None:
    """What is imported by now stays, so collecting garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow files of few tests first, so that none of them runs alone at the end."""
    items.sort(key=lambda item: "browser" not in item.path.parts)

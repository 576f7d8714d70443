"""What the training tests share: tiny bases, their rows, and a reporter that stops."""

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer, BertForSequenceClassification

from prunescope.engine.data import Examples, load_dataset
from prunescope.engine.errors import InterruptedStudy
from prunescope.engine.models.base import Base, open_base
from prunescope.engine.training.finetune import TrainingSetup


@pytest.fixture(scope="session")
def write_model(pytestconfig: pytest.Config) -> Callable[..., Path]:
    """`write_model` of tests/conftest.py; the module name `conftest` is ambiguous."""
    house = pytestconfig.pluginmanager.get_plugin(str(Path(__file__).parents[1] / "conftest.py"))
    return house.write_model


@pytest.fixture(scope="session")
def rows(data_folder: Path) -> Examples:
    """The first 20 training rows."""
    train = load_dataset(str(data_folder)).train
    assert train is not None
    return train.take(range(20))


@pytest.fixture(scope="session")
def body(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model without its classifier: a pretrained encoder."""
    folder = tmp_path_factory.mktemp("bodies") / "tiny-body"
    BertForSequenceClassification.from_pretrained(model_folder).bert.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def base(body: Path) -> Base:
    return open_base(str(body))


@pytest.fixture(scope="session")
def shared(base: Base, rows: Examples) -> TrainingSetup:
    """Everything but the spec of a small fine-tuning."""
    return TrainingSetup(base, rows, ("bad", "good"), max_tokens=32)


@pytest.fixture(scope="session")
def stop_after() -> Callable[[int], Callable[[str, int, int], None]]:
    """Makes a reporter that interrupts once so many steps are done."""

    def at(step: int) -> Callable[[str, int, int], None]:
        def report(_stage: str, done: int, _total: int) -> None:
            if done == step:
                raise InterruptedStudy(f"stopped at {step}")

        return report

    return at

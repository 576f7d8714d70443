"""A small task of pairs whose classes leak through the overlap of words, and what its trainings
share.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from small_models import WORDS

from prunescope.engine.data import Examples
from prunescope.engine.errors import InterruptedStudy
from prunescope.engine.models.base import open_base
from prunescope.engine.subnetworks.bias import BiasPredictions, BiasSpec, make_bias, read_bias
from prunescope.engine.training.finetune import TrainingSetup


def made_pairs(rows: int, seed: int) -> Examples:
    """Label 1 pairs repeat words of the first text, label 0 pairs do not, one in five the other way
    round.
    """
    draw = random.Random(seed)
    texts, pairs, labels = [], [], []
    for row in range(rows):
        first, label = draw.sample(WORDS, 7), row % 2
        others = [word for word in WORDS if word not in first]
        same = (label == 1) != (draw.random() < 0.2)
        texts.append(" ".join(first))
        pairs.append(" ".join(draw.sample(first if same else others, 4)))
        labels.append(label)
    return Examples(tuple(texts), tuple(pairs), tuple(labels))


def write_rows(path: Path, examples: Examples, **more: list[str]) -> Path:
    """A TSV of pairs with further columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(("text_a", "text_b", "label", *more))]
    for row, cells in enumerate(
        zip(examples.texts, examples.pairs or (), examples.labels, strict=True)
    ):
        lines.append("\t".join((*map(str, cells), *(values[row] for values in more.values()))))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def pairs() -> Callable[[int, int], Examples]:
    return made_pairs


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    return write_rows


@pytest.fixture(scope="session")
def shared(model_folder: Path) -> TrainingSetup:
    """Forty pairs and the tiny classifier's own weights as the pretrained ones."""
    return TrainingSetup(
        open_base(str(model_folder)), made_pairs(40, 1), ("other", "same"), max_tokens=32
    )


@pytest.fixture(scope="session")
def bias(shared: TrainingSetup, tmp_path_factory: pytest.TempPathFactory) -> BiasPredictions:
    folder = tmp_path_factory.mktemp("bias") / "bias"
    make_bias(BiasSpec("bag"), shared.data, made_pairs(20, 2), folder)
    return read_bias(folder)


@pytest.fixture(scope="session")
def stop_after() -> Callable[[int], Callable[[str, int, int], None]]:
    """Makes a reporter that interrupts once so many steps are done."""

    def at(step: int) -> Callable[[str, int, int], None]:
        def report(stage: str, done: int, _total: int) -> None:
            if done == step and "teacher" not in stage:
                raise InterruptedStudy(f"stopped at {step}")

        return report

    return at

"""Load a data set by name: the shipped reviews, a local folder, one local file, or the hub."""

import os
import random
from dataclasses import replace
from pathlib import Path

from prunescope.engine import paths
from prunescope.engine.data.build import BuiltExamples, build_examples
from prunescope.engine.data.columns import Choice
from prunescope.engine.data.files import is_data_name, read_table
from prunescope.engine.data.folder import read_folder
from prunescope.engine.data.hub import read_hub
from prunescope.engine.data.records import Dataset, Examples
from prunescope.engine.data.saved import is_saved, read_one
from prunescope.engine.data.source import DataSource
from prunescope.engine.errors import DataError

EMBEDDED = "embedded"
EMBEDDED_LABELS = ("negative", "positive")


def load_dataset(
    name: str,
    *,
    text_column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    label_map: str | None = None,
    seed: int = 0,
    divide: bool = True,
) -> Dataset:
    """The data set called `name`: "embedded", a folder, a file, or a hub name such as
    `nyu-mll/glue:sst2`.

    Columns that are not named are detected. `label_map` says what each label means, see
    `prunescope.engine.data.label_map`. One file is cut into two halves with `seed`, for training or
    calibration and for evaluation; where nothing is to be trained or calibrated, `divide` False
    makes all of its rows the evaluation set. A name that looks like a path is never sent to the
    hub. Raises DataError, SettingError or ResourceError.
    """
    choice = Choice.of(text_column, pair_column, label_column, label_map)
    return dataset_of(read_source(name, choice), choice, seed, divide)


def read_source(name: str, choice: Choice | None = None) -> DataSource:
    """The tables of the data set called `name`; `choice` only says which of several evaluation
    splits has labels.

    Raises DataError or ResourceError.
    """
    choice = choice or Choice()
    if name == EMBEDDED:
        return _read_embedded()
    if not name.strip():
        raise DataError(
            f"The data set name {name!r} is blank; name {EMBEDDED!r}, a folder or a file."
        )
    path = os.path.expanduser(name)
    if os.path.isdir(path) and not is_saved(Path(path)):
        return read_folder(Path(path), choice)
    if os.path.isfile(path) or os.path.isdir(path):
        return DataSource(Path(path).stem, (read_one(Path(path)),), "file", Path(path))
    if os.path.exists(path):
        raise DataError(
            f"{name} is neither a folder nor an ordinary file; save its content as a file and name "
            "that."
        )
    if looks_like_path(name):
        raise DataError(f"There is no folder or file {name!r}; check the path.")
    return read_hub(name, choice)


def dataset_of(source: DataSource, choice: Choice, seed: int = 0, divide: bool = True) -> Dataset:
    """The examples of tables that were read; see `load_dataset`."""
    built = build_examples(source.tables, choice)
    if source.file is not None:
        return (_divided if divide else _whole)(source.file, built, seed)
    return Dataset(
        source.name,
        built.examples[1] if len(built.examples) > 1 else None,
        built.examples[0],
        built.classes,
        source.about,
        built.notices,
    )


def looks_like_path(name: str) -> bool:
    """Whether a name can only be meant as a path: a hub name has at most one slash."""
    return (
        name.startswith((".", "/", "~"))
        or "\\" in name
        or name.count("/") > 1
        or os.path.isabs(name)
        or is_data_name(name)
    )


def _read_embedded() -> DataSource:
    folder = paths.BUNDLED / "reviews"
    files = [folder / "evaluation.tsv", folder / "calibration.tsv"]
    for path in files:
        if not path.is_file():
            raise DataError(
                f"The installation is incomplete: {path} is missing; install PruneScope again."
            )
    tables = [replace(read_table(path), class_names={"label": EMBEDDED_LABELS}) for path in files]
    return DataSource(EMBEDDED, tuple(tables), EMBEDDED)


def _divided(path: Path, built: BuiltExamples, seed: int) -> Dataset:
    (examples,) = built.examples
    order = examples.distinct()
    if len(order) < 2:
        raise DataError(f"{path} has {len(order)} distinct text, too few for two halves; add rows.")
    random.Random(seed).shuffle(order)
    half = len(order) // 2
    source = (
        f"file ({path.name}: {len(order)} distinct texts of {len(examples)} rows, shuffled with "
        f"seed {seed}; the first half is train, the second evaluation)"
    )
    halves = examples.take(order[:half]), examples.take(order[half:])
    return Dataset(
        path.stem,
        *halves,
        built.classes,
        source,
        (*built.notices, *_repeats(path, examples, order)),
    )


def _repeats(path: Path, examples: Examples, order: list[int]) -> list[str]:
    """A notice where rows of a divided file were left out because their text is there already."""
    if len(order) == len(examples):
        return []
    first, other = (
        {
            key: examples.labels[row]
            for key, row in zip(examples.take(order).row_keys(), order, strict=True)
        },
        0,
    )
    for key, label in zip(examples.row_keys(), examples.labels, strict=True):
        other += first[key] != label
    differ = f", {other} of them with another label" if other else ""
    return [
        f"{len(examples) - len(order)} of the {len(examples)} rows of {path} repeat a text and are "
        f"left out{differ}."
    ]


def _whole(path: Path, built: BuiltExamples, seed: int) -> Dataset:
    source = f"file ({path.name}: all {len(built.examples[0])} rows are evaluation)"
    return Dataset(path.stem, None, built.examples[0], built.classes, source, built.notices)

"""Load a data set by name: the shipped reviews, a local folder, one local file, or the hub."""

import os
import random
from pathlib import Path

from engine import paths
from engine.data.build import build_examples
from engine.data.checks import check_labels
from engine.data.columns import Choice
from engine.data.files import SUFFIXES, read_table
from engine.data.folder import load_folder
from engine.data.hub import load_hub
from engine.data.records import Dataset
from engine.errors import DataError

EMBEDDED = "embedded"
EMBEDDED_LABELS = ("negative", "positive")


def load_dataset(
    name: str,
    *,
    text_column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    seed: int = 0,
    divide: bool = True,
) -> Dataset:
    """The data set called `name`: "embedded", a folder, a file, or a hub name such as `nyu-mll/glue:sst2`.

    Columns that are not named are detected. `seed` only matters for one file, which is cut into two
    halves; with `divide` False it is the evaluation set as it is, and there is no train.
    A name that looks like a path is never sent to the hub. Raises DataError, SettingError or ResourceError.
    """
    choice = Choice(text_column, pair_column, label_column)
    if name == EMBEDDED:
        return _load_embedded(choice)
    if not name.strip():
        raise DataError(f"The data set name {name!r} is blank; name {EMBEDDED!r}, a folder or a file.")
    path = os.path.expanduser(name)
    if os.path.isdir(path):
        return load_folder(Path(path), choice)
    if os.path.isfile(path):
        return _load_file(Path(path), choice, seed, divide)
    if looks_like_path(name):
        raise DataError(f"There is no folder or file {name!r}; check the path.")
    return load_hub(name, choice)


def looks_like_path(name: str) -> bool:
    # A hub name has at most one slash, so anything deeper can only be meant as a path.
    return (
        name.startswith((".", "/", "~"))
        or "\\" in name
        or name.count("/") > 1
        or os.path.isabs(name)
        or name.lower().endswith(SUFFIXES)
    )


def _load_embedded(choice: Choice) -> Dataset:
    folder = paths.BUNDLED / "reviews"
    files = [folder / "evaluation.tsv", folder / "calibration.tsv"]
    for path in files:
        if not path.is_file():
            raise DataError(f"The installation is incomplete: {path} is missing; install PruneScope again.")
    (evaluation, train), names = build_examples([read_table(path) for path in files], choice)
    names = names or EMBEDDED_LABELS
    for path, examples in zip(files, (evaluation, train), strict=True):
        check_labels(examples, len(names), str(path))
    return Dataset(EMBEDDED, train, evaluation, names, EMBEDDED)


def _load_file(path: Path, choice: Choice, seed: int, divide: bool) -> Dataset:
    (examples,), names = build_examples([read_table(path)], choice)
    if not divide:
        return Dataset(path.stem, None, examples, names, f"file ({path.name}: {len(examples)} rows)")
    order = examples.distinct()
    if len(order) < 2:
        raise DataError(f"{path} has {len(order)} distinct text, too few for two halves; add rows.")
    random.Random(seed).shuffle(order)
    half = len(order) // 2
    source = (
        f"file ({path.name}: {len(order)} distinct texts of {len(examples)} rows, shuffled with seed {seed}; "
        "the first half is train, the second evaluation)"
    )
    return Dataset(path.stem, examples.take(order[:half]), examples.take(order[half:]), names, source)

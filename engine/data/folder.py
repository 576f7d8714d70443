"""Load a local folder that holds one file, or numbered shards, per split."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from engine.data.build import build_examples
from engine.data.columns import Choice, Table
from engine.data.files import SUFFIXES, read_table
from engine.data.records import Dataset
from engine.errors import DataError

TRAIN = "train"
EVALUATION = ("validation", "valid", "dev", "val", "test")
_SHARD = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})")


def load_folder(folder: Path, choice: Choice) -> Dataset:
    """The data set in a folder; `train` is None where the folder has no train file.

    Raises DataError where there is no evaluation file and where two files claim one split.
    """
    files = _data_files(folder)
    evaluation_files = _evaluation_files(files, folder)
    train_files = _split_files(files, TRAIN)
    tables = [_table(group) for group in (evaluation_files, train_files) if group]
    built = build_examples(tables, choice)
    return Dataset(
        name=os.path.basename(os.path.abspath(folder)),
        train=built.examples[1] if train_files else None,
        evaluation=built.examples[0],
        classes=built.classes,
        notices=built.notices,
        source=f"local folder ({', '.join(path.name for path in train_files + evaluation_files)})",
    )


def evaluation_table(folder: Path) -> Table:
    """The evaluation rows of a folder with all their columns. Raises DataError where there is no evaluation file."""
    return _table(_evaluation_files(_data_files(folder), folder))


def _data_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}); check its permissions.") from error


def _evaluation_files(files: list[Path], folder: Path) -> list[Path]:
    for stem in EVALUATION:
        if found := _split_files(files, stem):
            return found
    present = ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "no files"
    raise DataError(
        f"{folder} has no evaluation file, it has {present}; add one called "
        f"{', '.join(EVALUATION)} with a suffix of {', '.join(SUFFIXES)}."
    )


def _split_files(files: Iterable[Path], stem: str) -> list[Path]:
    """The one file called `stem`, or else its shards in order; empty where there is neither."""
    exact = [path for path in files if path.stem.lower() == stem]
    if len(exact) > 1:
        names = " and ".join(path.name for path in exact)
        raise DataError(f"{exact[0].parent} has {names} for one split; keep one of them, or name one file.")
    return exact or _shards(files, stem)


def _shards(files: Iterable[Path], stem: str) -> list[Path]:
    matches = {path: match for path in files if (match := _SHARD.fullmatch(path.stem.lower()))}
    shards = {path: match for path, match in matches.items() if match["stem"] == stem}
    ordered = sorted(shards, key=lambda path: shards[path]["index"])
    _check_complete([(int(shards[path]["index"]), int(shards[path]["count"])) for path in ordered], ordered)
    return ordered


def _check_complete(numbers: list[tuple[int, int]], ordered: list[Path]) -> None:
    if not numbers:
        return
    count = numbers[0][1]
    if numbers != [(index, count) for index in range(count)]:
        raise DataError(
            f"{ordered[0].parent} needs exactly one file for each of {count} shards, it has "
            f"{', '.join(path.name for path in ordered)}; complete them."
        )


def _table(files: list[Path]) -> Table:
    if len(files) == 1:
        return read_table(files[0])
    where = f"{files[0]} and the {len(files) - 1} shards after it"
    tables = [read_table(path) for path in files]
    parts = tuple((table.where, len(table.frame)) for table in tables)
    return Table(where, pd.concat([table.frame for table in tables], ignore_index=True), tables[0].class_names, parts)

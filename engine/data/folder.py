"""Load a local folder: a file or numbered shards per split, a saved data set, or a copy from the
hub.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prunescope.engine.data.cards import card_names
from prunescope.engine.data.columns import Choice, Table
from prunescope.engine.data.files import SUFFIXES, is_data_name, read_tables, stem_of
from prunescope.engine.data.saved import is_saved, read_saved, saved_splits
from prunescope.engine.data.source import DataSource
from prunescope.engine.data.splits import (
    EVALUATION,
    SPLITS,
    evaluation_splits,
    first_labelled,
    train_split,
)
from prunescope.engine.data.unpacked import PACKED
from prunescope.engine.errors import DataError

# The hub puts a hash behind the count: validation-00000-of-00001-b42a775f407cee45.parquet.
_SHARD = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})(-[0-9a-f]+)?")
_DEPTH = 3  # folders below the named one that are searched: <cache>/snapshots/<revision>/data
_MOST_FOLDERS = 1000


@dataclass(frozen=True, slots=True)
class _Split:
    """The files of a split, or the one folder it was saved in."""

    paths: tuple[Path, ...]
    shards: bool = False


def read_folder(folder: Path, choice: Choice) -> DataSource:
    """The tables of the data set in a folder, or in the only one below that has any.

    Raises DataError where there is no evaluation split, where two files claim one split, and where
    several folders below have data sets.
    """
    splits = _find(folder)
    name, evaluation = first_labelled(
        evaluation_splits(splits), lambda _, split: _read(split), choice
    )
    train = train_split(splits)
    tables = [
        _with_card(table, folder) for table in (evaluation, *([_read(train)] if train else []))
    ]
    files = (*(train.paths if train else ()), *splits[name].paths)
    return DataSource(
        os.path.basename(os.path.abspath(folder)),
        tuple(tables),
        f"local folder ({', '.join(os.path.relpath(path, folder) for path in files)})",
    )


def _with_card(table: Table, folder: Path) -> Table:
    """The table with the class names of the folder's card, where its own schema has none."""
    names = card_names(folder)
    return replace(table, class_names={**names, **table.class_names}) if names else table


def evaluation_table(folder: Path, choice: Choice) -> Table:
    """The evaluation rows of a folder with all their columns; all rows of a saved table without
    splits.

    Raises as `read_folder` does.
    """
    if is_saved(folder):
        return read_saved(folder)
    return _with_card(
        first_labelled(evaluation_splits(_find(folder)), lambda _, split: _read(split), choice)[1],
        folder,
    )


def _find(folder: Path) -> dict[str, _Split]:
    """The splits of a folder; those of the only folder below with any, where it has none itself."""
    splits = _splits_in(folder, _entries(folder))
    if not splits:
        below = _splits_below(folder)
        if len(below) > 1:
            names = [os.path.relpath(path, folder) for path in below]
            more = f" and {len(names) - 12} more" if len(names) > 12 else ""
            raise DataError(
                f"{folder} holds several data sets: {', '.join(names[:12])}{more}; name one of "
                f"them, as in {folder / names[0]}."
            )
        splits = next(iter(below.values()), {})
    if not evaluation_splits(splits):
        raise DataError(_no_evaluation(folder))
    return splits


def _splits_below(folder: Path) -> dict[Path, dict[str, _Split]]:
    """Folder → splits, of the folders below that have some; what is below these is not searched."""
    level, results, searched = [folder], {}, 0
    for _ in range(_DEPTH):
        inner = [entry for path in level for entry in _readable(path) if _is_folder(entry)]
        level = []
        searched += len(inner)
        if searched > _MOST_FOLDERS:
            raise DataError(
                f"{folder} has no data set itself and more than {_MOST_FOLDERS} folders below it; "
                "name one of them."
            )
        for path in inner:
            if splits := _splits_in(path, _readable(path)):
                results[path] = splits
            else:
                level.append(path)
    return results


def _is_folder(entry: Path) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to what nobody may see
        return False


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir())
    except OSError as error:
        raise DataError(
            f"{folder} cannot be listed ({error.strerror}); check its permissions."
        ) from error


def _readable(folder: Path) -> list[Path]:
    """What is in a folder that nobody named: hidden files are none of a data set, and what is shut
    is not searched.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _splits_in(folder: Path, entries: Iterable[Path]) -> dict[str, _Split]:
    saved = {name: _Split((path,)) for name, path in saved_splits(folder).items()}
    if saved:
        return saved
    present = list(entries)
    files = [path for path in present if is_data_name(path.name) and path.is_file()]
    splits = {name: split for name in SPLITS if (split := _of_files(files, name))}
    if splits:
        return splits
    folders = {path.name.lower(): path for path in present if path.is_dir()}
    return {
        name: split for name in SPLITS if name in folders and (split := _of_folder(folders[name]))
    }


def _of_files(files: Sequence[Path], name: str) -> _Split | None:
    """The files called `name`, or else its shards."""
    exact = [path for path in files if stem_of(path) == name]
    # A text or a packed copy beside a table is not a second claim to the split.
    first = [path for path in exact if path.suffix.lower() not in (".txt", *PACKED)]
    if exact:
        return _Split(tuple(first or exact))
    shards = [
        path
        for path in files
        if (match := _SHARD.fullmatch(stem_of(path))) and match["stem"] == name
    ]
    return _Split(tuple(shards), shards=True) if shards else None


def _of_folder(folder: Path) -> _Split | None:
    """What a folder that is called like a split has: a saved table, or files that are all its
    shards.
    """
    if is_saved(folder):
        return _Split((folder,))
    files = [
        path
        for path in _readable(folder)
        if is_data_name(path.name) and path.suffix.lower() != ".txt" and path.is_file()
    ]
    if len(kinds := {path.suffix.lower() for path in files}) > 1:
        raise DataError(
            f"{folder} has files of the kinds {', '.join(sorted(kinds))} for one split; keep those "
            "of one kind."
        )
    return _Split(tuple(files), shards=True) if files else None


def _read(split: _Split) -> Table:
    first = split.paths[0]
    if is_saved(first):
        return read_saved(first)
    if not split.shards and len(split.paths) > 1:
        names = " and ".join(path.name for path in split.paths)
        raise DataError(
            f"{first.parent} has {names} for one split; keep one of them, or name one file."
        )
    if split.shards:
        _check_complete(split.paths)
    return read_tables(split.paths)


def _check_complete(paths: Sequence[Path]) -> None:
    """Refuse shards of which one is missing or there twice. Files without numbers cannot tell."""
    matches = [match for path in paths if (match := _SHARD.fullmatch(stem_of(path)))]
    numbers = [(int(match["index"]), int(match["count"])) for match in matches]
    if numbers and numbers != [(index, numbers[0][1]) for index in range(numbers[0][1])]:
        raise DataError(
            f"{paths[0].parent} needs exactly one file for each of {numbers[0][1]} shards, it has "
            f"{', '.join(path.name for path in paths)}; complete them."
        )


def _no_evaluation(folder: Path) -> str:
    entries = _entries(folder)
    if broken := next((path for path in entries if path.is_symlink() and not path.exists()), None):
        return (
            f"{folder} has no evaluation file, and {broken.name} is a link to a file that is "
            "gone; download it again."
        )
    present = ", ".join(path.name for path in entries[:20]) or "no files"
    return (
        f"{folder} has no evaluation file, it has {present}; add one called "
        f"{', '.join(EVALUATION)} with a suffix of {', '.join(SUFFIXES)}."
    )

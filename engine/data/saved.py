"""Folders that `Dataset.save_to_disk` and `DatasetDict.save_to_disk` of the package `datasets`
write.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from prunescope.engine.data.columnar import class_names
from prunescope.engine.data.columns import Table
from prunescope.engine.data.files import read_table, read_tables
from prunescope.engine.errors import DataError

_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"


def is_saved(folder: Path) -> bool:
    """Whether a folder holds one saved table, without splits."""
    return (folder / _STATE).is_file()


def saved_splits(folder: Path) -> dict[str, Path]:
    """Split → folder of its table, of a saved data set with splits; empty for any other folder."""
    if not (folder / _SPLITS).is_file():
        return {}
    names = _object(folder / _SPLITS).get("splits")
    if not isinstance(names, list) or not all(
        isinstance(name, str) and is_saved(folder / name) for name in names
    ):
        raise DataError(
            f"{folder / _SPLITS} names splits that are not in its folder; save the data set again."
        )
    return {name: folder / name for name in names}


def read_saved(folder: Path) -> Table:
    """The rows of a saved table, and its class names. Raises DataError for a damaged or incomplete
    folder.
    """
    state = _object(folder / _STATE)
    if state.get("_indices_data_files"):
        raise DataError(
            f"{folder} was saved by an old version, with a file of indices; save it again."
        )
    try:
        names = [file["filename"] for file in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{folder / _STATE} does not list the files of the data set; save it again."
        ) from error
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise DataError(
            f"{folder / _STATE} does not list files of its folder; save the data set again."
        )
    table = read_tables([folder / name for name in names])
    features = _object(folder / _INFO).get("features") if (folder / _INFO).is_file() else None
    return replace(table, class_names=class_names(features)) if features else table


def read_one(path: Path) -> Table:
    """The rows of a file, or of a saved table."""
    return read_saved(path) if is_saved(path) else read_table(path)


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}); save the data set again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} holds no JSON object; save the data set again.")
    return value

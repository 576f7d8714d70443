"""Load a data set from the Hugging Face hub by its name, or by `name:config`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.data.build import build_examples
from engine.data.columns import Choice, Table, find_columns
from engine.data.folder import EVALUATION, TRAIN
from engine.data.records import Dataset
from engine.errors import DataError, InputError, ResourceError

_LOCAL = "name a local folder or a local file instead"
# `datasets` takes these names for its own file readers and would load whatever lies in the working folder.
_READER_NAMES = re.compile(
    "arrow|audiofolder|cache|conll|csv|eval|generator|hdf5|iceberg|imagefolder|json|lance|meshfolder|"
    "niftifolder|pandas|parquet|pdffolder|spark|sql|text|tsfile|videofolder|webdataset|xml"
)


def load_hub(name: str, choice: Choice) -> Dataset:
    """The hub's data set: evaluation is its validation split, else its test split.

    Raises DataError where the name or its splits cannot be used, ResourceError where the hub is not reached.
    """
    repository, _, config = name.partition(":")
    if _READER_NAMES.fullmatch(repository):
        raise DataError(f"{name!r} is a file format, not a data set; {_LOCAL}.")
    splits = _fetch(repository, config or None)
    chosen = _chosen_splits(splits, name)
    tables = [_table(splits[split], split, name) for split in chosen]
    built = build_examples(tables, choice)
    return Dataset(
        name=config or repository.rsplit("/", maxsplit=1)[-1],
        train=built.examples[1] if TRAIN in chosen else None,
        evaluation=built.examples[0],
        classes=built.classes,
        notices=built.notices,
        source=f"hub ({name}: {', '.join(reversed(chosen))})",
    )


def one_split(name: str, wanted: str | None = None) -> Table:
    """One split of the hub's data set, by default the evaluation rows, with all columns; raises as `load_hub` does."""
    repository, _, config = name.partition(":")
    if _READER_NAMES.fullmatch(repository):
        raise DataError(f"{name!r} is a file format, not a data set; {_LOCAL}.")
    splits = _fetch(repository, config or None)
    if wanted is not None and wanted not in splits:
        raise DataError(f"{name} has no split {wanted!r}, it has {', '.join(map(str, splits))}; correct what follows the #.")
    split = wanted or _chosen_splits(splits, name)[0]
    return _table(splits[split], split, name)


def _table(split: Any, split_name: str, name: str) -> Table:
    named = {column: tuple(feature.names) for column, feature in split.features.items() if getattr(feature, "names", None)}
    return Table(f"split {split_name!r} of {name}", split.to_pandas(), named)


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a hub data set without its rows."""

    text: str  # the columns that would be read
    label: str
    classes: tuple[str, ...]  # empty where labels have no names
    rows: dict[str, int]  # by split; 0 where the hub does not tell


def outline(name: str) -> Outline:
    """Columns, classes and splits of the hub's data set; of its rows at most one is read. Raises as `load_hub` does."""
    import datasets

    repository, _, config = name.partition(":")
    try:
        splits = dict(datasets.load_dataset(repository, config or None, streaming=True))
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise _explained(error, name) from error
    first = splits[_chosen_splits(splits, name)[0]]
    features = first.features or first._resolve_features().features  # a card may leave them out; then one row tells
    columns = find_columns(Table(name, pd.DataFrame(columns=list(features))), Choice())
    known = first.info.splits or {}
    rows = {str(split): int(known[split].num_examples or 0) if split in known else 0 for split in splits}
    return Outline(columns.text, columns.label, tuple(getattr(features[columns.label], "names", None) or ()), rows)


def _fetch(repository: str, config: str | None) -> Mapping[str, Any]:
    try:
        # Imported here: it takes a second, and local data needs none of it.
        import datasets
    except ModuleNotFoundError as error:
        raise ResourceError(f"The package {error.name} is missing; install it, or {_LOCAL}.") from error
    shown = f"{repository}:{config}" if config else repository
    try:
        return dict(datasets.load_dataset(repository, config))
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise _explained(error, shown) from error


def _explained(error: Exception, shown: str) -> InputError:
    """What a failure of the hub means for the user; the hub has no common base for its errors."""
    from datasets.exceptions import DatasetNotFoundError, DatasetsError
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    if isinstance(error, DatasetNotFoundError) and "gated" in str(error):
        return ResourceError(f"{shown!r} is gated on the hub: accept its conditions on its page and log in with `hf auth login`, "
                             f"or {_LOCAL}.")  # fmt: skip
    if isinstance(error, DatasetNotFoundError | RepositoryNotFoundError | HFValidationError):
        return DataError(f"{shown!r} is neither here nor on the hub; check the spelling, or {_LOCAL}.")
    if isinstance(error, DatasetsError | ValueError | RuntimeError):
        return DataError(f"{shown!r} cannot be used ({error}); name a config as name:config, or {_LOCAL}.")
    return ResourceError(f"The hub did not give {shown!r} ({error}); check the network, or {_LOCAL}.")


def _chosen_splits(splits: Mapping[str, Any], name: str) -> list[str]:
    """The evaluation split, then the train split where there is one."""
    evaluation = next((split for split in EVALUATION if split in splits), None)
    if evaluation is None:
        raise DataError(
            f"{name} has no validation or test split, it has {', '.join(map(str, splits))}; "
            f"save a split as a file and name that, or {_LOCAL}."
        )
    return [evaluation, *([TRAIN] if TRAIN in splits else [])]

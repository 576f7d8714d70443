"""Load a data set from the Hugging Face hub by its name, or by `name:config`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from prunescope.engine.data.columnar import arrow_table
from prunescope.engine.data.columns import Choice, Table, find_columns
from prunescope.engine.data.hub_errors import network_errors
from prunescope.engine.data.source import DataSource
from prunescope.engine.data.splits import TRAIN, evaluation_splits, first_labelled, train_split
from prunescope.engine.errors import DataError, InputError, ResourceError

_LOCAL = "name a local folder or a local file instead"
# `datasets` takes these names for its own file readers and would load whatever lies in the working
# folder.
_READER_NAMES = re.compile(
    "arrow|audiofolder|cache|conll|csv|eval|generator|hdf5|iceberg|imagefolder|json|lance|"
    "meshfolder|niftifolder|pandas|parquet|pdffolder|spark|sql|text|tsfile|"
    "videofolder|webdataset|xml"
)
_FAILURES = (OSError, ValueError, RuntimeError)


def read_hub(name: str, choice: Choice) -> DataSource:
    """The tables of the hub's data set: evaluation is its validation split, else its test split.

    Raises DataError where the name or its splits cannot be used, ResourceError where the hub is not
    reached.
    """
    repository, _, config = name.partition(":")
    if _READER_NAMES.fullmatch(repository):
        raise DataError(f"{name!r} is a file format, not a data set; {_LOCAL}.")
    splits = _fetch(repository, config or None)
    split, evaluation = _evaluation(splits, name, choice)
    train = train_split(splits)
    tables = [evaluation, *([_table(train, TRAIN, name)] if train is not None else [])]
    return DataSource(
        config or repository.rsplit("/", maxsplit=1)[-1],
        tuple(tables),
        f"hub ({name}: {', '.join([*([TRAIN] if train is not None else []), split])})",
    )


def one_split(name: str, split: str | None, choice: Choice) -> Table:
    """One split of the hub's data set, or with None the evaluation rows, with all columns; raises
    as `read_hub` does.
    """
    repository, _, config = name.partition(":")
    if _READER_NAMES.fullmatch(repository):
        raise DataError(f"{name!r} is a file format, not a data set; {_LOCAL}.")
    splits = _fetch(repository, config or None)
    if split is not None and split not in splits:
        raise DataError(
            f"{name} has no split {split!r}, it has {', '.join(map(str, splits))}; correct what "
            "follows the #."
        )
    return _table(splits[split], split, name) if split else _evaluation(splits, name, choice)[1]


def _evaluation(splits: Mapping[str, Any], name: str, choice: Choice) -> tuple[str, Table]:
    """Name and rows of the split that is evaluated. Raises DataError where there is none."""
    return first_labelled(
        _candidates(splits, name), lambda split, content: _table(content, split, name), choice
    )


def _candidates(splits: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    candidates = evaluation_splits(splits)
    if not candidates:
        raise DataError(
            f"{name} has no validation or test split, it has {', '.join(map(str, splits))}; "
            f"save a split as a file and name that, or {_LOCAL}."
        )
    return candidates


def _table(split: Any, split_name: str, name: str) -> Table:
    table = arrow_table(split.with_format("arrow")[:], f"split {split_name!r} of {name}")
    names = {
        column: tuple(feature.names)
        for column, feature in split.features.items()
        if getattr(feature, "names", None)
    }
    return replace(table, class_names=names)


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a hub data set without its rows."""

    text: str  # the columns that would be read
    label: str
    classes: tuple[str, ...]  # empty where labels have no names
    rows: dict[str, int]  # by split; 0 where the hub does not tell


def outline(name: str) -> Outline:
    """Columns, classes and splits of the hub's data set; of its rows at most one is read. Raises as
    `read_hub` does.
    """
    import datasets

    repository, _, config = name.partition(":")
    try:
        splits = dict(datasets.load_dataset(_full(repository), config or None, streaming=True))
    except network_errors(*_FAILURES, datasets.exceptions.DatasetsError) as error:
        raise _input_error(error, name) from error
    first = _candidates(splits, name)[0][1]
    # A card may leave the features out; then one row tells.
    features = first.features or first._resolve_features().features
    columns = find_columns(Table(name, pd.DataFrame(columns=list(features))), Choice())
    sizes = first.info.splits or {}
    rows = {
        str(split): int(sizes[split].num_examples or 0) if split in sizes else 0 for split in splits
    }
    return Outline(
        columns.text,
        columns.label,
        tuple(getattr(features[columns.label], "names", None) or ()),
        rows,
    )


def _fetch(repository: str, config: str | None) -> Mapping[str, Any]:
    try:
        # Imported here: it takes a second, and local data needs none of it.
        import datasets
    except ModuleNotFoundError as error:
        raise ResourceError(
            f"The package {error.name} is missing; install it, or {_LOCAL}."
        ) from error
    full_name = f"{repository}:{config}" if config else repository
    try:
        return dict(datasets.load_dataset(_full(repository), config))
    except network_errors(*_FAILURES, datasets.exceptions.DatasetsError) as error:
        raise _input_error(error, full_name) from error


def _full(repository: str) -> str:
    """The name with its owner: huggingface_hub 1 has no address for one of the old names without,
    such as imdb. Where the hub does not tell, the name as it is.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    if "/" in repository:
        return repository
    try:
        return HfApi().dataset_info(repository).id
    except network_errors(OSError, HFValidationError):
        return repository  # `datasets` says what is wrong, or has it in its cache


def _input_error(error: Exception, name: str) -> InputError:
    """What a failure of the hub means for the user; the hub has no common base for its errors."""
    from datasets.exceptions import DatasetNotFoundError, DatasetsError
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    if isinstance(error, DatasetNotFoundError) and "gated" in str(error):
        return ResourceError(
            f"{name!r} is gated on the hub: accept its conditions on its page and log in with `hf "
            f"auth login`, or {_LOCAL}."
        )
    if isinstance(error, DatasetNotFoundError | RepositoryNotFoundError | HFValidationError):
        return DataError(
            f"{name!r} is neither here nor on the hub; check the spelling, or {_LOCAL}."
        )
    if isinstance(error, DatasetsError | ValueError | RuntimeError):
        reason = " ".join(str(error).partition("Example of usage")[0].split())
        return DataError(
            f"{name!r} cannot be used ({reason}); name a config as name:config, or {_LOCAL}."
        )
    return ResourceError(
        f"The hub did not give {name!r} ({error}); check the network, or {_LOCAL}."
    )

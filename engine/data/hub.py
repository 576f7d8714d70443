"""Load a data set from the Hugging Face hub by its name, or by `name:config`."""

import re
from collections.abc import Mapping
from typing import Any

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
    tables = [Table(f"split {split!r} of {name}", splits[split].to_pandas()) for split in chosen]
    examples, names = build_examples(tables, choice)
    return Dataset(
        name=config or repository.rsplit("/", maxsplit=1)[-1],
        train=examples[1] if TRAIN in chosen else None,
        evaluation=examples[0],
        label_names=names or _class_names(splits[chosen[0]], tables[0], choice),
        source=f"hub ({name}: {', '.join(reversed(chosen))})",
    )


def evaluation_split(name: str) -> Table:
    """The evaluation rows of the hub's data set with all their columns; raises as `load_hub` does."""
    repository, _, config = name.partition(":")
    if _READER_NAMES.fullmatch(repository):
        raise DataError(f"{name!r} is a file format, not a data set; {_LOCAL}.")
    splits = _fetch(repository, config or None)
    split = _chosen_splits(splits, name)[0]
    return Table(f"split {split!r} of {name}", splits[split].to_pandas())


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


def _class_names(split: Any, table: Table, choice: Choice) -> tuple[str, ...] | None:
    feature = split.features[find_columns(table, choice).label]
    names = getattr(feature, "names", None)
    return tuple(names) if names else None

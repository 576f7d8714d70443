"""Labelled rows with further columns, for sets that are broken down by what their rows are about."""

import os
from collections.abc import Sequence
from pathlib import Path

from engine.data.build import build_examples
from engine.data.columns import Choice
from engine.data.files import read_table
from engine.data.folder import evaluation_table
from engine.data.hub import one_split
from engine.data.load import looks_like_path
from engine.data.records import Examples
from engine.errors import DataError


def labelled_rows(
    name: str, wanted: Sequence[str] = (), *, text_column: str | None = None, pair_column: str | None = None,
    label_column: str | None = None,
) -> tuple[Examples, tuple[str, ...] | None, dict[str, tuple[str, ...]]]:  # fmt: skip
    """(all rows of a file, or the evaluation split of a folder or hub data set; the class names where labels are strings;
    column → values of those of `wanted` that are there). Another split of a hub data set is named as in `stanfordnlp/sst2#train`.

    Raises DataError, SettingError or ResourceError.
    """
    choice = Choice(text_column, pair_column, label_column)
    path = Path(os.path.expanduser(name))
    if path.is_dir():
        table = evaluation_table(path, choice)
    elif path.is_file():
        table = read_table(path)
    elif looks_like_path(name) or not name.strip():
        raise DataError(f"There is no folder or file {name!r}; check the path.")
    else:
        table = one_split(name.partition("#")[0], name.partition("#")[2] or None, choice)
    (examples,), names = build_examples([table], choice)
    there = [column for column in wanted if column in table.names()]
    return examples, names, {column: tuple(map(str, table.frame[column].tolist())) for column in there}

"""Labelled rows with further columns, for sets that are broken down by what rows are about."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prunescope.engine.data.build import build_examples
from prunescope.engine.data.columns import Choice
from prunescope.engine.data.files import read_table
from prunescope.engine.data.folder import evaluation_table
from prunescope.engine.data.hub import one_split
from prunescope.engine.data.load import looks_like_path
from prunescope.engine.data.records import Classes, Examples
from prunescope.engine.errors import DataError


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows with how their labels are to be read, further columns by name, and what was left out."""

    examples: Examples
    classes: Classes
    groups: dict[str, tuple[str, ...]]
    notices: tuple[str, ...]


def labelled_rows(
    name: str,
    columns: Sequence[str] = (),
    *,
    text_column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    label_map: str | None = None,
) -> LabelledRows:
    """All rows of a file, or the evaluation split of a folder or hub data set, with those of the
    `columns` that are there.

    Another split of a hub data set is named as in `stanfordnlp/sst2#train`. Raises DataError,
    SettingError or ResourceError.
    """
    choice = Choice.of(text_column, pair_column, label_column, label_map)
    path = Path(os.path.expanduser(name))
    if path.is_dir():
        table = evaluation_table(path, choice)
    elif path.is_file():
        table = read_table(path)
    elif looks_like_path(name) or not name.strip():
        raise DataError(f"There is no folder or file {name!r}; check the path.")
    else:
        table = one_split(name.partition("#")[0], name.partition("#")[2] or None, choice)
    built = build_examples([table], choice)
    (examples,), (rows,) = built.examples, built.rows
    there = [column for column in columns if column in table.names()]
    groups = {column: tuple(str(table.frame[column].iloc[row]) for row in rows) for column in there}
    return LabelledRows(examples, built.classes, groups, built.notices)

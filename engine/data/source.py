"""A data set as it was read, before its columns and labels are found."""

from dataclasses import dataclass
from pathlib import Path

from prunescope.engine.data.columns import Table


@dataclass(frozen=True, slots=True)
class DataSource:
    """The tables of a data set: the evaluation rows, then the training rows where it has them."""

    name: str
    tables: tuple[Table, ...]
    about: str  # where they come from, in words
    file: Path | None = None  # the one file that is to be divided into the two

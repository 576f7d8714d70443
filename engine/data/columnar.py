"""Tables that know their columns' types: Parquet, Arrow and Feather files."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.engine.data.columns import Table
from prunescope.engine.data.delimited import check_unique
from prunescope.engine.errors import DataError


def read_parquet(data: bytes, where: str) -> Table:
    """The table of a Parquet file. Raises DataError for one that is damaged or cut off."""
    try:
        return arrow_table(pq.ParquetFile(pa.BufferReader(data)).read(), where)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{where} is not a readable Parquet file ({_short(error)}); write it again."
        ) from error


def read_arrow(data: bytes, where: str) -> Table:
    """The table of an Arrow or Feather file, or of a stream as `datasets` saves. Raises as
    `read_parquet`.
    """
    opened = pa.ipc.open_file if data.startswith(b"ARROW1") else pa.ipc.open_stream
    try:
        return arrow_table(opened(pa.BufferReader(data)).read_all(), where)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{where} is not a readable Arrow file ({_short(error)}); write it again."
        ) from error


def arrow_table(table: pa.Table, where: str) -> Table:
    """Columns as plain Python values, and the class names that the schema says.

    Categories come as their values. Raises DataError for a column name that comes twice.
    """
    check_unique(table.column_names, where)
    columns = {name: _values(table.column(name)) for name in table.column_names}
    frame = pd.DataFrame(columns, dtype=object)
    return Table(where, frame, _names_in(table.schema.metadata or {}, where))


def _values(column: pa.ChunkedArray) -> list[Any]:
    # A point in time may lie outside what Python can hold, and it is never a text or a label.
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values


def _names_in(metadata: Mapping[bytes, bytes], where: str) -> dict[str, tuple[str, ...]]:
    if b"huggingface" not in metadata:
        return {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{where} has a damaged description of its features ({error!r}), which may name its "
            "classes; write it again."
        ) from error
    return class_names(features)


def class_names(features: object) -> dict[str, tuple[str, ...]]:
    """Column → names of its class numbers, from the features that `datasets` describes in JSON."""
    described = features if isinstance(features, dict) else {}
    return {
        str(column): tuple(map(str, feature["names"]))
        for column, feature in described.items()
        if isinstance(feature, dict)
        and feature.get("_type") == "ClassLabel"
        and isinstance(feature.get("names"), list)
    }


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

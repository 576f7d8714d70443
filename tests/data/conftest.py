"""Fixtures of the data tests: write a small file in any format and get its path."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write text (UTF-8, line ends untouched) under a name in the temporary folder."""

    def _write(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8"))
        return path

    return _write


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    """Write columns as a Parquet file."""

    def _write(name: str, compression: str = "snappy", **columns: list[object]) -> Path:
        path = tmp_path / name
        pd.DataFrame(columns).to_parquet(path, compression=compression, index=False)
        return path

    return _write

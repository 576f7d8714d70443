"""Parquet, Arrow and Feather: plain values, the schema's class names, and odd columns that are not
read.
"""

import datetime
import io
import json
from decimal import Decimal
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from prunescope.engine.data.columnar import class_names
from prunescope.engine.data.files import read_file, read_table
from prunescope.engine.errors import DataError

FEATURES = datasets.Features(
    {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg"])}
)


@pytest.fixture
def class_labels() -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"text": ["fine", "poor"], "label": [0, 1]}, features=FEATURES
    )


def test_class_names_of_a_parquet_file(class_labels, tmp_path):
    class_labels.to_parquet(str(tmp_path / "a.parquet"))
    table = read_table(tmp_path / "a.parquet")
    assert table.class_names == {"label": ("pos", "neg")} and table.frame["label"].tolist() == [
        0,
        1,
    ]
    assert table.parts == ()


def test_a_file_without_features_names_no_classes(write_parquet):
    assert read_table(write_parquet("a.parquet", text=["a"], label=[0])).class_names == {}


def test_only_class_labels_have_names():
    label = {"_type": "ClassLabel", "names": ["a", "b"], "num_classes": 2, "id": None}
    features = {"text": {"_type": "Value", "names": ["x"]}, "label": label}
    assert (
        class_names(features) == {"label": ("a", "b")}
        and class_names([1]) == class_names(None) == {}
    )


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"info": 1}'])
def test_a_damaged_description_of_features_is_not_passed_over(tmp_path, content):
    table = pa.table({"text": ["a"], "label": [1]}).replace_schema_metadata(
        {b"huggingface": content}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="damaged description of its features"):
        read_table(tmp_path / "a.parquet")


ODD = {
    "text": pa.array(["fine", "poor"], pa.large_string()),
    "label": pa.array(["pos", "neg"]).dictionary_encode(),
    "code": pa.array([1, 0], pa.uint8()),
    "price": pa.array([Decimal("1.5"), None]),
    "at": pa.array([datetime.datetime(2020, 1, 1), None]),
    "far": pa.array([2**62, -(2**62)], pa.timestamp("us")),
    "blob": pa.array([b"\xff", b""]),
    "spans": pa.array([[{"from": 1}], []]),
    "about": pa.array([{"by": "us"}, None]),
}


@pytest.mark.parametrize("kind", ["parquet", "arrow", "feather", "stream"])
def test_odd_columns_do_no_harm_and_categories_are_plain(tmp_path, kind):
    path, table = tmp_path / f"a.{kind.replace('stream', 'arrow')}", pa.table(ODD)
    if kind == "parquet":
        pq.write_table(table, path)
    elif kind == "feather":
        pyarrow.feather.write_feather(table, path)
    else:
        new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with new(str(path), table.schema) as writer:
            writer.write_table(table)
    frame = read_file(path)
    assert frame["text"].tolist() == ["fine", "poor"] and frame["label"].tolist() == ["pos", "neg"]
    assert [type(value) for value in frame["code"].tolist()] == [int, int]


@pytest.mark.parametrize("kind", ["parquet", "feather"])
@pytest.mark.parametrize("keep", [5, 60, 0.5, -9])
def test_a_file_that_is_cut_off_is_refused(tmp_path, kind, keep):
    buffer = io.BytesIO()
    table = pa.table({"text": ["fine"] * 200, "label": [1] * 200})
    pq.write_table(table, buffer) if kind == "parquet" else pyarrow.feather.write_feather(
        table, buffer
    )
    content = buffer.getvalue()
    (tmp_path / f"a.{kind}").write_bytes(
        content[: int(keep * len(content)) if isinstance(keep, float) else keep]
    )
    with pytest.raises(DataError, match=r"is not a readable (Parquet|Arrow) file") as caught:
        read_file(tmp_path / f"a.{kind}")
    assert "\n" not in str(caught.value)


def test_half_of_a_string_in_parquet(tmp_path):
    text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    pq.write_table(pa.table({"text": text, "label": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="is not a readable Parquet file"):
        read_file(tmp_path / "a.parquet")


def test_no_rows_and_a_name_twice(tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has no rows"):
        read_file(tmp_path / "a.parquet")
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="two columns called 'text'"):
        read_file(tmp_path / "b.parquet")


def test_two_thousand_columns(tmp_path: Path):
    pq.write_table(
        pa.table({"text": ["a"], "label": [1], **{f"c{n}": [n] for n in range(1_998)}}),
        tmp_path / "a.parquet",
    )
    assert read_file(tmp_path / "a.parquet").shape == (1, 2_000)


def test_pandas_categories_are_plain_values(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"text": ["a", "b"], "label": pd.Categorical([3, 1])})
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_file(tmp_path / "a.parquet")["label"].tolist() == [3, 1]
    assert (
        json.dumps(read_file(tmp_path / "a.parquet").to_dict("list"))
        == '{"text": ["a", "b"], "label": [3, 1]}'
    )

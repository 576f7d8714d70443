"""Packed files, other encodings, and files that are something else than their name says."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import prunescope.engine.data.unpacked
from prunescope.engine.data.files import is_data_name, read_file, stem_of
from prunescope.engine.errors import DataError

TSV = "text\tlabel\nfine café\t1\npoor\t0\n"
TABLE = {"text": ["fine café", "poor"], "label": ["1", "0"]}


def zipped(*names: str, content: bytes = TSV.encode()) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_file(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", [*(f"a.tsv{suffix}" for suffix in PACK), "a.tsv"])
@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_packed_files_are_read_whatever_their_name_says_of_the_packing(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(TSV.encode()))
    assert read_file(tmp_path / name).to_dict("list") == TABLE


def test_a_file_that_is_called_packed_and_is_plain(write):
    assert read_file(write("a.tsv.gz", TSV)).to_dict("list") == TABLE


def test_packed_json_lines(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a", "label": 1}\n'))
    assert read_file(tmp_path / "a.jsonl.gz").to_dict("list") == {"text": ["a"], "label": [1]}


def test_a_zip_of_one_file(tmp_path):
    (tmp_path / "reviews.tsv.zip").write_bytes(zipped("films/rows.tsv", "__MACOSX/rows.tsv"))
    assert read_file(tmp_path / "reviews.tsv.zip").to_dict("list") == TABLE


@pytest.mark.parametrize("keep", [12, -10])
@pytest.mark.parametrize("suffix", PACK)
def test_packed_files_that_are_cut_off(tmp_path, suffix, keep):
    (tmp_path / "a.tsv").write_bytes(PACK[suffix]((TSV * 50).encode())[:keep])
    assert "damaged or cut off" in refusal(tmp_path / "a.tsv")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (zipped("a.tsv", "b.tsv"), "a zip archive of 2 files; unpack it"),
        (
            zipped("xl/workbook.xml", "[Content_Types].xml"),
            "an Excel workbook; save its sheet as CSV",
        ),
        (zipped("mimetype", "content.xml"), "a spreadsheet or document"),
        (zipped("a.tsv")[:-30], "packed as zip and damaged"),
        (zipped("notes.doc"), "holds a file with the suffix '.doc'"),
        (gzip.compress(gzip.compress(TSV.encode())), "packed twice"),
        (gzip.compress(b"\0" * 257 + b"ustar\0"), "an archive; unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n",
            "not the file itself; run `git lfs pull`",
        ),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "a web page or XML"),
        (b"\xef\xbb\xbf\n <HTML lang='en'>", "a web page or XML"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\x80\x04\x95\x10", "a pickle"),
        (b"%PDF-1.4", "a PDF document"),
        (b"PARE\x01\x00", "an encrypted Parquet file"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else type(value).__name__
    ),  # packed bytes hold the time
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_what_is_no_table_is_called_by_its_name(tmp_path, content, says, name):
    (tmp_path / name).write_bytes(content)
    assert says in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.xlsx", "a.bin", "a"])
def test_other_suffixes_are_called_by_their_name_too(tmp_path, name):
    (tmp_path / name).write_bytes(zipped("xl/workbook.xml"))
    assert "an Excel workbook" in refusal(tmp_path / name)
    (tmp_path / name).write_bytes(b"text,label\n")
    assert "has the suffix" in refusal(tmp_path / name)


def test_a_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(prunescope.engine.data.unpacked, "_LARGEST", 1000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a" * 10_000))
    assert "unpacks to more than" in refusal(tmp_path / "a.csv.gz")


@pytest.mark.parametrize("begins", ["PARENT", "ORC", "FEA1", "PAR1", "BZh", "%PDF", "<header>"])
def test_a_table_may_begin_with_the_same_letters(write, begins):
    assert read_file(write("a.csv", f"{begins},text,label\n1,a,0\n"))["text"].tolist() == ["a"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
def test_encodings_with_a_mark(tmp_path, encoding, kind):
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(encoding, "")
    frame = pd.DataFrame(TABLE)
    text = (
        frame.to_json(orient="records", lines=True, force_ascii=False)
        if kind == "jsonl"
        else frame.to_csv(sep="\t" if kind == "tsv" else ",", index=False)
    )
    (tmp_path / f"a.{kind}").write_bytes((mark + text).encode(encoding))
    assert read_file(tmp_path / f"a.{kind}").to_dict("list") == TABLE


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (TSV.encode("utf-16-le"), "UTF-16 without its byte-order mark"),
        (
            TSV.encode("latin-1"),
            "line 2 has the byte 0xe9 at offset 19; save the file as UTF-8. It may be Windows-1252",
        ),
        (TSV.encode("utf-16")[:-1], "begins as UTF-16 and is damaged"),
        (TSV.encode()[:21] + b"\xc3", "ends in the middle of a character"),
        (b"text\tlabel\nfi\0ne\t1\n", "Line 2 of {path} has a NUL character"),
        ("text\tlabel\nк\t1\n".encode("koi8-r"), "line 2 has the byte 0xcb"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else type(value).__name__
    ),  # packed bytes hold the time
)
def test_other_encodings_are_refused_with_line_and_guess(tmp_path, content, says):
    (tmp_path / "a.tsv").write_bytes(content)
    assert says.format(path=tmp_path / "a.tsv") in refusal(tmp_path / "a.tsv")


@pytest.mark.parametrize(
    ("name", "other", "says"),
    [
        (
            "a.csv",
            "a.parquet",
            "holds Parquet data, although its name ends in .csv; end its name in .parquet",
        ),
        ("a.json", "a.parquet", "holds Parquet data"),
        ("a.parquet", "a.feather", "holds Arrow data, although its name ends in .parquet"),
        ("a.parquet", "a.csv", "is not a readable Parquet file: it begins with b'text,label"),
        ("a.csv", "a.json", "holds JSON, although its name ends in .csv"),
        ("a.tsv", "a.jsonl", "holds JSON, although its name ends in .tsv"),
        ("a.json", "a.csv", "is not JSON: line 1 is 'text,label'"),
        ("a.jsonl", "a.tsv", "is not JSON: line 1 is"),
    ],
)
def test_a_file_under_a_name_that_promises_something_else(tmp_path, name, other, says):
    frame = pd.DataFrame(TABLE)
    writers = {
        ".parquet": frame.to_parquet,
        ".feather": frame.to_feather,
        ".csv": lambda path: frame.to_csv(path, index=False),
        ".tsv": lambda path: frame.to_csv(path, index=False, sep="\t"),
        ".json": lambda path: frame.to_json(path, orient="records"),
        ".jsonl": lambda path: frame.to_json(path, orient="records", lines=True),
    }
    writers[Path(other).suffix](tmp_path / name)
    assert says in refusal(tmp_path / name)


def test_names_of_data_files():
    assert all(
        map(
            is_data_name,
            ["a.tsv", "B.CSV.GZ", "hans.txt", "a.jsonl.zst", "data-0.arrow", "x/y.parquet"],
        )
    )
    assert not any(
        map(is_data_name, ["a", "a.gz", "glue", "user/set.v2", "a.doc", "a.csv.bak", "csv"])
    )
    assert [stem_of(Path(name)) for name in ("Train.csv.gz", "dev.jsonl", "a.b.tsv")] == [
        "train",
        "dev",
        "a.b",
    ]

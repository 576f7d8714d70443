"""Uploaded files: whole, under their checksums, by safe names, set aside when damaged."""

from pathlib import Path

import pytest

from prunescope.engine.store import Store
from prunescope.engine.store.uploads import (
    find_upload,
    keep_upload,
    remove_upload,
    safe_name,
    upload_at,
)


def test_a_file_is_kept_once_and_found_by_the_first_digits(tmp_path: Path) -> None:
    store = Store(tmp_path)
    upload = keep_upload(store, "rows.csv", b"text,label\n")
    assert upload.path.read_bytes() == b"text,label\n" and upload.name == "rows.csv"
    assert keep_upload(store, "again.csv", b"text,label\n") == upload
    assert find_upload(store, upload.digest[:12]) == upload
    assert upload_at(store, str(upload.path)) == upload
    assert find_upload(store, "0" * 12) is None and find_upload(store, "../etc") is None
    assert upload_at(store, "/etc/passwd") is None
    remove_upload(store, upload)
    assert find_upload(store, upload.digest) is None


def test_a_damaged_file_is_set_aside_and_said(tmp_path: Path) -> None:
    store = Store(tmp_path)
    upload = keep_upload(store, "rows.csv", b"text,label\n")
    upload.path.write_bytes(b"other")
    assert find_upload(store, upload.digest) is None and "set aside" in store.notices[0]
    assert (tmp_path / "damaged").is_dir()
    assert keep_upload(store, "rows.csv", b"text,label\n").path.read_bytes() == b"text,label\n"


def test_a_file_that_comes_again_with_another_suffix_is_found_by_it(tmp_path: Path) -> None:
    store, rows = Store(tmp_path), b'{"text": "a", "label": 0}\n'
    wrong = keep_upload(store, "rows.csv", rows)  # which is refused: it holds JSON
    right = keep_upload(store, "rows.jsonl", rows)
    assert right.name == "rows.jsonl" and find_upload(store, right.digest[:12]) == right
    assert upload_at(store, str(wrong.path)) == wrong  # of a study that began with it
    assert upload_at(store, str(wrong.path.with_name("other.csv"))) is None


NAMES = {
    "../../etc/passwd": "passwd",
    "C:\\me\\My rows.csv": "My-rows.csv",
    "": "data",
    "..": "data",
    ".csv": "csv",
    "<b>x</b>.tsv": "b.tsv",
    "\u202etxt.csv": "txt.csv",
    "é" * 200 + ".jsonl": "é" * 74 + ".jsonl",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_become_names_of_this_machine(name: str) -> None:
    assert safe_name(name)[:80] == safe_name(name) and "/" not in safe_name(name)
    if name != "<b>x</b>.tsv":
        assert safe_name(name) == NAMES[name]

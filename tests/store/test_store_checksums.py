"""Checksums of files: read in pieces, and again only when the file has changed."""

import hashlib
import os
from pathlib import Path

import pytest

from prunescope.engine.store import checksums
from prunescope.engine.store.checksums import cached_file_sha256, file_sha256, sha256_of


def test_a_file_has_the_checksum_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert file_sha256(tmp_path / "a") == sha256_of(content) == expected
    assert sha256_of("é") == sha256_of("é".encode())


def test_a_file_that_is_asked_about_often_is_read_again_only_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    monkeypatch.setattr(
        checksums, "file_sha256", lambda path: reads.append(path) or file_sha256(path)
    )
    path = tmp_path / "a"
    path.write_bytes(b"first")
    os.utime(path, ns=(0, 1))
    assert cached_file_sha256(path) == cached_file_sha256(path) == sha256_of(b"first")
    assert len(reads) == 1
    path.write_bytes(b"other")  # as long as before
    os.utime(path, ns=(0, 2))
    assert cached_file_sha256(path) == sha256_of(b"other") and len(reads) == 2

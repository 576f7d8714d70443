"""The user's cache in a temporary folder, and no bundled studies."""

from pathlib import Path

import pytest
import streamlit as st

from engine import paths


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache in a temporary folder, and no bundled studies."""
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    reviews = paths.BUNDLED / "reviews"
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    (bundled / "reviews").symlink_to(reviews)
    monkeypatch.setattr(paths, "BUNDLED", bundled)
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path / "cache"

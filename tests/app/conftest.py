"""The user's cache in a temporary folder, and no bundled studies."""

from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from prunescope.engine import LiveJob, Workbench, paths


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page of a test starts a worker early: loading its models takes seconds of a core."""
    monkeypatch.setattr(Workbench, "warm", lambda self: None)
    monkeypatch.setenv("PRUNESCOPE_AHEAD", "0")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache in a temporary folder, and no bundled studies."""
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    for name in ("reviews", "resources"):
        (bundled / name).symlink_to(paths.BUNDLED / name)
    monkeypatch.setattr(paths, "BUNDLED", bundled)
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path / "cache"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[LiveJob]:
    """What a page asked of its workers, batches included; no worker runs."""
    jobs: list[LiveJob] = []

    def submit(self: Workbench, do: str, **arguments: Any) -> LiveJob:
        jobs.append(LiveJob(len(jobs) + 1, do, arguments))
        return jobs[-1]

    monkeypatch.setattr(Workbench, "submit", submit)
    for name in ("cancel", "drop"):
        monkeypatch.setattr(Workbench, name, lambda self, job: setattr(job, "state", "cancelled"))
    monkeypatch.setattr(
        Workbench,
        "find",
        lambda self, token: next((job for job in jobs if job.token == token), None),
    )
    return jobs

"""A queue in a temporary folder whose workers are made up, and one whose workers are real."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_workers import MADE_UP, end_everything

from prunescope.engine import paths
from prunescope.engine.jobs.queue import JobQueue


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobQueue]:
    """A queue whose workers are made up."""
    worker = tmp_path / "python"
    worker.write_text(
        MADE_UP.format(python=sys.executable, project=str(paths.PROJECT)), encoding="utf-8"
    )
    worker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(worker))
    made = JobQueue(tmp_path / "cache")
    yield made
    end_everything(made)


@pytest.fixture
def real_queue(tmp_path: Path) -> Iterator[JobQueue]:
    """A queue with the real workers."""
    made = JobQueue(tmp_path / "cache")
    yield made
    end_everything(made)

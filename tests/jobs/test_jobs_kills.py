"""The worker killed at random moments; `PRUNESCOPE_ROUNDS=200` for as many rounds as one likes."""

import os
import subprocess
import sys
from pathlib import Path

from prunescope.engine import paths

ROUNDS = os.environ.get("PRUNESCOPE_ROUNDS", "4")


def test_a_worker_that_is_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    program = Path(__file__).with_name("kill_rounds.py")
    command = [sys.executable, str(program), ROUNDS, str(tmp_path)]
    done = subprocess.run(command, cwd=paths.PROJECT, capture_output=True, text=True)
    log = tmp_path / "log"
    assert done.returncode == 0, (
        done.stderr + done.stdout + (log.read_text() if log.exists() else "")
    )
    assert f"{ROUNDS} kills" in done.stdout and "all as the unbroken one" in done.stdout

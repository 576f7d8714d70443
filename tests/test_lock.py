"""requirements.lock pins what is installed, at the versions that the requirements name."""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9_.\-]+)==(\S+)")
# of the virtual environment itself, and the project
UNPINNED = {"pip", "wheel", "prunescope"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    lines = (PROJECT / file).read_text(encoding="utf-8").splitlines()
    found = [PIN.match(line) for line in lines]
    return {plain(match[1]): match[2] for match in found if match}


def test_the_lock_agrees_with_the_requirements() -> None:
    lock = pins("requirements.lock")
    for file in ("requirements.txt", "requirements-test.txt"):
        assert pins(file).items() <= lock.items()


@pytest.mark.skipif(
    Path(sys.prefix).resolve() != (PROJECT / ".venv").resolve(),
    reason="not the environment that scripts/test makes",
)
def test_the_lock_holds_everything_that_is_installed() -> None:
    installed = {
        plain(one.metadata["Name"]): one.version.partition("+")[0] for one in distributions()
    }
    lock = pins("requirements.lock")
    assert {name: lock.get(name) for name in installed if name not in UNPINNED} == {
        name: version for name, version in installed.items() if name not in UNPINNED
    }

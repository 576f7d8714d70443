"""scripts/venv, with a made-up Python in its environment that writes down what it is asked."""

import os
import subprocess
from pathlib import Path

import pytest

from prunescope.engine.paths import PROJECT

PYTHON = """#!/usr/bin/env bash
echo "$*" >> "$ASKED"
case "$*" in
    "-c import torch") exit 1 ;;
    *"index versions torch"*) echo "Available versions: $VERSIONS" ;;
esac
"""
LISTS = ("requirements.txt", "requirements-test.txt", "requirements-textattack.txt")


class Checkout:
    """A folder with scripts/venv and the lists of packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("scripts/venv", "pyproject.toml", "requirements.lock", *LISTS):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((PROJECT / name).read_bytes())
        self.program(".venv/bin/python", PYTHON)

    def program(self, name: str, text: str) -> None:
        """Write an executable file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def install(self, versions: str = "2.13.0", **environment: str) -> tuple[list[str], str]:
        """(What pip is asked, what is said) by an installation where pip sees these versions of
        PyTorch.
        """
        asked = self.folder / "asked"
        asked.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", "-c", "source scripts/venv; install_requirements requirements.txt"],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                "ASKED": str(asked),
                "VERSIONS": versions,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        lines = asked.read_text(encoding="utf-8").splitlines() if asked.exists() else []
        return [line for line in lines if " install " in line or " uninstall " in line], done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.program("bin/nvidia-smi", "#!/bin/sh\nexit 9\n")  # no card
    made.program("bin/uname", "#!/bin/sh\necho Linux\n")
    return made


def test_textattack_is_installed_without_its_requirements(checkout: Checkout) -> None:
    asked, _ = checkout.install()
    assert [line.partition("--disable-pip-version-check ")[2] for line in asked] == [
        "-r requirements.txt -c requirements.lock",
        "--no-deps -r requirements-textattack.txt",
        "--no-deps --no-build-isolation --editable .",
    ]


def test_nothing_is_installed_again_until_a_list_changes(checkout: Checkout) -> None:
    checkout.install()
    assert checkout.install() == ([], "")
    with (checkout.folder / "requirements.txt").open("a", encoding="utf-8") as file:
        file.write("another==1.0\n")
    assert len(checkout.install()[0]) == 3


def test_what_the_lock_no_longer_has_is_removed(checkout: Checkout) -> None:
    checkout.install()
    stamp = checkout.folder / ".venv" / ".installed-requirements.txt"
    stamp.write_text(stamp.read_text(encoding="utf-8") + "\nflair==0.15.1\nTorch==2.0\n")
    assert checkout.install()[0][0] == "-m pip uninstall --quiet --yes flair"


def test_the_cuda_build_is_announced_where_there_is_no_card(checkout: Checkout) -> None:
    said = checkout.install()[1]
    assert "No NVIDIA card was seen" in said and "PRUNESCOPE_TORCH_INDEX=ADDRESS" in said
    assert said.index("No NVIDIA card") < said.index("Installing requirements.txt")


def test_nothing_is_announced_where_pip_takes_the_cpu_build(checkout: Checkout) -> None:
    assert "NVIDIA" not in checkout.install("2.13.0+cpu, 2.13.0")[1]


def test_pip_prefers_a_cuda_build_that_stands_beside_the_cpu_build(checkout: Checkout) -> None:
    assert "NVIDIA" in checkout.install("2.13.0+cu130, 2.13.0+cpu, 2.13.0")[1]


def test_nothing_is_announced_where_there_is_a_card(checkout: Checkout) -> None:
    checkout.program("bin/nvidia-smi", "#!/bin/sh\nexit 0\n")
    assert "NVIDIA" not in checkout.install()[1]


def test_an_index_of_another_build_is_passed_on(checkout: Checkout) -> None:
    asked, _ = checkout.install(PRUNESCOPE_TORCH_INDEX="/an/index")
    assert all("--extra-index-url /an/index" in line for line in asked)

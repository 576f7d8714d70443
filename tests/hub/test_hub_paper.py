"""A recipe from end to end, from the hub's files to the table: members, average, study, attack; and
again without the hub.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_in import Hub

from prunescope.engine.cli.main import main
from prunescope.engine.paths import PROJECT


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def done(
    hub: Hub, environment: Callable[..., dict[str, str]], recipe: Path, work: Path
) -> Iterator[tuple[subprocess.CompletedProcess[str], list[str]]]:
    """The whole recipe, in a process of its own, with what it asked the hub for."""
    before = len(hub.asked)
    command = [
        "paper",
        str(recipe),
        "--device",
        "cpu",
        "--out",
        str(work / "papers"),
        "--cache",
        str(work / "cache"),
        "--json",
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "engine", *command],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=environment(),
    )
    yield ended, hub.asked[before:]


def told(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def test_the_recipe_runs_from_the_hub_to_the_table(done, work: Path) -> None:
    ended, asked = done
    assert ended.returncode == 0, ended.stderr
    rows = {(row["row"], row["sparsity"]): row for row in told(ended.stdout)["rows"]}
    assert list(rows) == [("Weight average", 0.0), ("Ours", 0.5)]
    ours = rows["Ours", 0.5]
    assert (
        ours["set"] == "sst2"
        and set(ours["values"]) == {"acc", "aua", "asr"}
        and len(ours["values"]["acc"]) == 1
    )
    assert ours["published"]["acc"] == 88.31 and rows["Weight average", 0.0]["published"] is None
    assert "88.31 / 43.1 / 51.2" in ended.stdout
    assert (
        work
        / "papers"
        / "bert-base-uncased-full"
        / "sst2"
        / "average-deepwordbug"
        / "model.safetensors"
    ).is_file()
    assert (
        len(
            [
                line
                for line in asked
                if line.startswith("GET") and line.endswith("model.safetensors")
            ]
        )
        == 1
    )
    assert any(line.startswith("GET") and "train-00000-of-00001.parquet" in line for line in asked)


def test_a_second_time_everything_is_done_and_the_hub_is_not_asked(
    done, hub: Hub, recipe: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(hub.asked)
    assert (
        main(
            [
                "paper",
                str(recipe),
                "--device",
                "cpu",
                "--out",
                str(work / "papers"),
                "--cache",
                str(work / "cache"),
                "--json",
            ]
        )
        == 0
    )
    found = capsys.readouterr()
    assert found.err.count("done before") == 3 and hub.asked == before
    assert told(found.out) == told(done[0].stdout)

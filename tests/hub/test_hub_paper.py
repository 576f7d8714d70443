"""A table's script from end to end, from the hub's files to its rows: members, average, study,
attack; and again, with nothing trained or fetched anew.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from stand_in import Hub

from prunescope.engine.paths import PROJECT

SCRIPT = """
import sys
from dataclasses import replace
from prunescope.runs import p1_table3, sizes
from prunescope.runs.tables import main

sizes.SCALES["tiny"] = replace(
    sizes.SMALL, name="tiny", base="bert-base-uncased", members=sys.argv.pop(1), selection=20,
    selection_attacked=2, calibration=60, held_out=10, examples=20, attacked=4)
sys.exit(main("p1_table3", p1_table3.__doc__, p1_table3.table))
"""


@pytest.fixture(scope="module")
def run_script(
    environment: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Runs Table 3 at a tiny scale, in a process of its own."""
    folder, variables = tmp_path_factory.mktemp("work"), environment()
    shared = {"learning_rate": 3e-3, "rank": 0, "epochs": 8, "batch_size": 16}
    members = [{"name": "one", "seed": 1, **shared}, {"name": "two", "seed": 2, **shared}]
    (folder / "members.json").write_text(json.dumps({"members": members}))
    words = ["--scale", "tiny", "--device", "cpu", "--json", "--quiet"]
    words += ["--out", str(folder / "papers"), "--cache", str(folder / "cache")]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, str(folder / "members.json"), *words],
            capture_output=True,
            text=True,
            cwd=PROJECT,
            env=variables,
        )

    return run


def rows_of(ended: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert ended.returncode == 0, ended.stderr
    rows: list[dict[str, Any]] = json.loads(ended.stdout.splitlines()[-1])["rows"]
    return rows


def test_a_script_runs_from_the_hub_to_the_table_and_then_finds_all_done(
    hub: Hub, run_script: Callable[[], subprocess.CompletedProcess[str]]
) -> None:
    before = len(hub.asked)
    first = run_script()
    rows = {(row["row"], row["sparsity"]): row for row in rows_of(first)}
    assert list(rows) == [
        ("Weight average", 0.0),
        ("Ours", 0.5),
        ("adaptive (this project)", 0.5),
    ]
    ours = rows["Ours", 0.5]
    assert ours["set"] == "sst2" and set(ours["values"]) == {"acc", "aua", "asr"}
    assert len(ours["values"]["acc"]) == 1 and ours["published"]["acc"] == 91.7
    assert "91.7 / 47.1 / 48.6" in first.stdout
    fetched = [line for line in hub.asked[before:] if line.startswith("GET")]
    assert len([line for line in fetched if line.endswith("model.safetensors")]) == 1
    assert any("train-00000-of-00001.parquet" in line for line in fetched)
    before = len(hub.asked)
    assert rows_of(run_script()) == rows_of(first)
    again = [line for line in hub.asked[before:] if line.startswith("GET")]
    assert not [line for line in again if line.endswith((".safetensors", ".parquet"))]

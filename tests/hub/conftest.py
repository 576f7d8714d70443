"""One hub for this folder's tests, and processes that know no other: `huggingface_hub` reads its
address when it is imported.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_up_hub import stocked
from stand_in import Hub, running

Environment = Callable[..., dict[str, str]]


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running(stocked(tmp_path_factory.mktemp("repositories"))) as found:
        yield found


@pytest.fixture(scope="session")
def environment(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The variables of a process that asks this hub alone, and keeps what it fetches apart."""

    def made() -> dict[str, str]:
        home = tmp_path_factory.mktemp("home")
        closed = "http://127.0.0.1:9"  # whatever would leave this machine ends here
        known = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "PRUNESCOPE_"))
        }
        return {
            **known,
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(home / "hf"),
            "HTTPS_PROXY": closed,
            "HTTP_PROXY": closed,
            "NO_PROXY": "127.0.0.1",
            "PRUNESCOPE_CACHE": str(home / "cache"),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }

    return made


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Members, their average, and one study: the way of the papers' tables, as short as it can be."""
    folder = tmp_path_factory.mktemp("recipe")
    members = folder / "members.json"
    shared = {"learning_rate": 3e-3, "rank": 0, "epochs": 8, "batch_size": 16}
    members.write_text(
        json.dumps(
            {
                "members": [
                    {"name": "one", "seed": 1, **shared},
                    {"name": "two", "seed": 2, **shared},
                ]
            }
        )
    )
    path = folder / "tiny.json"
    path.write_text(
        """{
 "title": "As Table 1, tiny", "with": "p1",
 "scales": {"full": {"members": "%s", "attack": "deepwordbug", "judge_rows": 20, "judge_attacked": 2, "calibration": 60,
                     "held_out": 10, "sets": ["sst2"], "seeds": [0], "of_sets": {"sst2": {"evaluated": 20, "attacked": 4}}}},
 "steps": [{"name": "paper-{set}-{seed}", "for": ["set", "seed"], "row": "Ours",
            "run": ["study", "--model", "{work}/{set}/average-{attack}", "--data", "{data}", "--method", "paper",
                    "--levels", "0,0.5",
                    "--calibration", "{calibration}", "--held-out", "{held_out}", "--eval-examples", "{evaluated}",
                    "--attack", "{attack}", "--attack-examples", "{attacked}", "--seed", "{seed}"]}],
 "published": [{"row": "Ours", "set": "sst2", "sparsity": 0.5, "acc": 88.31, "aua": 43.1, "asr": 51.2}]
}""".replace("%s", members)
    )
    return path

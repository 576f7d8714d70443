"""What the engine makes of names on the hub: those that are there, and every way in which one may
not be.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save
from small_models import write_model
from stand_in import Hub

from prunescope.engine.paths import PROJECT

ASK = """
import json, sys, time
from prunescope.engine.data import load_dataset
from prunescope.engine.data.tables import labelled_rows
from prunescope.engine.errors import InputError
from prunescope.engine.models.victim import load_victim
from prunescope.runs.names import look_at_data, look_at_model
from prunescope.engine.models.base import open_base

KINDS = {
    "model": look_at_model,
    "data": look_at_data,
    "base": lambda name: open_base(name).name,
    "victim": lambda name: load_victim(name).name,
    "notices": lambda name: load_victim(name).notices,
    "rows": lambda name: len(labelled_rows(name).examples),
    "load": lambda name: load_dataset(name).source,
}
told = {}
time.sleep = lambda _seconds: None  # the hub's client waits before it asks again
for line in sys.argv[1:]:
    kind, name = line.split(" ")
    try:
        told[line] = KINDS[kind](name)
    except InputError as error:
        told[line] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
"""
NAMES = (
    "model bert-base-uncased",
    "data stanfordnlp/sst2",
    "data imdb",
    "data some/bare",
    "model shut/away",
    "data shut/rows",
    "model no/thing",
    "data no/thing",
    "model old/pickled",
    "base old/pickled",
    "base shut/away",
    "victim no/thing",
    "victim bert-base-uncased",
    "rows stanfordnlp/sst2",
    "rows stanfordnlp/sst2#train",
    "rows stanfordnlp/sst2#dev",
    "data fancyzhx/ag_news",
    "model sentence-transformers/all-MiniLM-L6-v2",
    "model gone/away",
    "base gone/away",
    "data gone/away",
    "load stanfordnlp/imdb",
    "load torn/rows",
    "base torn/model",
    "base bert-base-uncased",
    "notices some/compiled",
)


def asked(environment: dict[str, str], *names: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compiled_files(folder: Path) -> dict[str, bytes]:
    """A classifier that was saved while it was compiled."""
    write_model(folder)
    state = {
        f"_orig_mod.{name}": tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {
        "model.safetensors": save(state, {"format": "pt"})
    }


@pytest.fixture(scope="module")
def answers(
    hub: Hub, environment: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """All names asked in one process; two repositories hang up in the middle of a file."""
    hub.add(
        "models", "torn/model", dict(hub.repositories["models", "google-bert/bert-base-uncased"])
    )
    hub.add(
        "datasets",
        "torn/rows",
        {"data/train.parquet": b"PAR1" + bytes(5000), "data/test.parquet": b"PAR1" + bytes(5000)},
    )
    hub.add("models", "some/compiled", compiled_files(tmp_path_factory.mktemp("compiled")))
    hub.silent.add("gone/away")
    hub.broken = {"data/train.parquet": 100}
    weights = hub.repositories["models", "torn/model"].pop("model.safetensors")
    hub.repositories["models", "torn/model"]["torn.safetensors"] = weights
    hub.broken["torn.safetensors"] = 1000
    return asked(environment(), *NAMES)


def test_wrappers_in_names_are_understood_on_the_hub_too(answers: dict[str, Any]) -> None:
    assert answers["notices some/compiled"] == [
        "The names of some/compiled's weights are read without '_orig_mod.'."
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model bert-base-uncased", "bert, 2 blocks of width 32"),
        (
            "data stanfordnlp/sst2",
            "text 'sentence', label 'label'; classes negative, positive; examples: train 120, "
            "validation 40, test 8",
        ),
        ("data imdb", "text 'text', label 'label'; classes neg, pos; examples: train 120, test 40"),
        ("data some/bare", "text 'text', label 'label'; examples: train, test"),
    ],
)
def test_a_name_that_is_there_is_described(
    answers: dict[str, Any], name: str, message: str
) -> None:
    about, size = answers[name]
    assert about == message and size > 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "model shut/away",
            "ResourceError: The checkpoint 'shut/away' cannot be fetched from the hub (it is "
            "gated: accept its",
        ),
        (
            "base shut/away",
            "ResourceError: The checkpoint 'shut/away' cannot be fetched from the hub (it is "
            "gated: accept its",
        ),
        ("data shut/rows", "ResourceError: 'shut/rows' is gated on the hub: accept its conditions"),
        (
            "model no/thing",
            "ResourceError: The checkpoint 'no/thing' cannot be fetched from the hub (there is no "
            "such repository",
        ),
        ("victim no/thing", "ResourceError: The model 'no/thing' cannot be fetched from the hub"),
        (
            "data no/thing",
            "DataError: 'no/thing' is neither here nor on the hub; check the spelling",
        ),
        ("model old/pickled", "ModelError: old/pickled has no safetensors weights on the hub"),
        ("base old/pickled", "has no config.json with safetensors weights"),
        (
            "victim bert-base-uncased",
            "ModelError: bert-base-uncased is not a sequence classifier: its weights lack "
            "classifier",
        ),
        (
            "rows stanfordnlp/sst2#dev",
            "DataError: stanfordnlp/sst2 has no split 'dev', it has train, validation, test",
        ),
        ("load torn/rows", "torn/rows"),
        (
            "base torn/model",
            "ResourceError: The checkpoint 'torn/model' cannot be fetched from the hub (",
        ),
    ],
)
def test_a_name_that_cannot_be_used_says_why_in_a_sentence(
    answers: dict[str, Any], name: str, message: str
) -> None:
    result = answers[name]
    assert (
        isinstance(result, str)
        and message in result
        and result.endswith(".")
        and "\n" not in result
    )


def test_rows_come_from_the_split_that_is_named(answers: dict[str, Any]) -> None:
    assert answers["rows stanfordnlp/sst2"] == 40 and answers["rows stanfordnlp/sst2#train"] == 120
    assert answers["load stanfordnlp/imdb"] == "hub (stanfordnlp/imdb: train, test)"
    assert answers["base bert-base-uncased"] == "bert-base-uncased"


def test_looking_fetches_no_weights_and_loading_no_pickles(
    hub: Hub, answers: dict[str, Any]
) -> None:
    """These two were only looked at."""
    observed = [
        line for line in hub.asked if "fancyzhx/ag_news" in line or "all-MiniLM-L6-v2" in line
    ]
    assert any(line.startswith("GET") and line.endswith("config.json") for line in observed)
    assert answers["data fancyzhx/ag_news"][1] > 0
    assert not [
        line for line in observed if line.split("?")[0].endswith((".safetensors", ".parquet"))
    ]
    assert not hub.fetched(".bin")


@pytest.mark.parametrize("name", ["model gone/away", "base gone/away", "data gone/away"])
def test_a_hub_that_does_not_answer_is_said_to_be_gone(answers: dict[str, Any], name: str) -> None:
    assert (
        "the hub cannot be reached" if "data" not in name else "ResourceError: The hub did not give"
    ) in answers[name]

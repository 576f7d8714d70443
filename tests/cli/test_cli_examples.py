"""Every example of every help runs, in a folder that holds what the examples name.

A tiny model stands in for the embedded one, and sizes are shrunk: what `SMALLER` has for a command
is appended to the example's line, where the last value of an option counts. What is not run is
parsed: `PARSED` says why.
"""

import re
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch
from small_models import write_model, write_reviews
from transformers.utils import logging

from prunescope.engine.cli.main import main, parsed, whole_parser
from prunescope.engine.cli.parser import SECTIONS
from prunescope.engine.export.folder import export_model
from prunescope.engine.export.packed import save_packed
from prunescope.engine.jobs.queue import JobQueue
from prunescope.engine.models.victim import load_victim
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.store.exchange import export_study
from prunescope.engine.store.maintenance import pin_study
from prunescope.engine.studies.sweep import read_sweep

PARSED = {
    "app": "becomes the server; tests/cli/test_cli_start.py has what it does before",
    "demo": "is a study of fixed size, 3 minutes; its one setting is the study's",
    "paper": "looks up names of the hub; tests/runs has it in full",
    "subnetworks": "trains for minutes; tests/subnetworks has it",
    "members --recipe p1-table8": "trains eleven models; the other example runs",
    "baselines": "trains smaller models; tests/baselines has it",
    "sweep": "starts processes of its own; tests/jobs has it, and the file is read here",
    "average --members": "needs members that learned; tests/training has it",
    "runs repeat": "prunes again; tests/studies has it",
    "jobs resume": "starts a process; tests/cli/test_cli_runs.py has it",
}
COUNTED = "--eval-examples 20 --attack-examples 2"
PRUNED = "--model my-model --data data --calibration 40 --held-out 10 --device cpu"
TRAINED = "--model my-model --epochs 0.1 --batch-size 8 --max-tokens 32 --device cpu"
SMALLER = {
    "study": f"{PRUNED} {COUNTED} --levels 0,0.5",
    "evaluate": f"--model my-model --data data {COUNTED} --device cpu",
    "latency": "--model my-model --data data --sentences 4 --repeats 2 --device cpu",
    "distances": f"{PRUNED} {COUNTED} --levels 0.5 --attack-examples 10",
    "export": PRUNED,
    "prune": PRUNED,
    "attack": f"{PRUNED} --eval-examples 20",
    "finetune": TRAINED,
    "members": "--model my-model --attack-examples 2 --select-rows 20 --device cpu",
    "average": "--attack-examples 2 --select-rows 20 --device cpu",
    "masktrain": TRAINED,
    "imp": TRAINED,
    "retrain": TRAINED,
    "ood": "--device cpu --eval-examples 20",
}
WITH_CACHE = ("study", "distances", "export", "prune", "attack", "members", "average")
CLASSES = ("entailment", "neutral")
MODELS = "my-model half tuned-a tuned-b my-checkpoint nli-model full".split()
MEMBERS = ",".join(
    f'{{"name": "{name}", "learning_rate": 0.001, "seed": 1, "rank": 2, "epochs": 0.1}}'
    for name in ("one", "two")
)


def cases() -> list[tuple[str, str]]:
    """(the command, the line of one of its examples) of every help but the program's own."""
    first, *commands = whole_parser().all_commands()
    return [
        (command.prog.removeprefix(f"{first.prog} "), line)
        for command in commands
        for _, line in command.examples
    ]


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    verbosity, stop = logging.get_verbosity(), signal.getsignal(signal.SIGTERM)
    logging.set_verbosity_error()
    yield
    logging.set_verbosity(verbosity)
    signal.signal(signal.SIGTERM, stop)


def pairs(path: Path, rows: int, classes: tuple[str, str] = CLASSES, **more: list[str]) -> None:
    texts = write_reviews(path, 2 * rows).read_text(encoding="utf-8").splitlines()[1:]
    sentences = [line.split("\t")[0] for line in texts]
    labels = [*classes] * (rows // 2)
    columns = {"premise": sentences[:rows], "hypothesis": sentences[rows:], "label": labels}
    pd.DataFrame({**columns, **more}).to_csv(path, index=False)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that the examples read, made once."""
    folder = tmp_path_factory.mktemp("workshop")
    labels = {
        "id2label": {0: "entailment", 1: "neutral"},
        "label2id": {"entailment": 0, "neutral": 1},
    }
    for name in MODELS:
        write_model(folder / name, **(labels if name in ("full", "nli-model") else {}))
    for name, rows in (("reviews", 120), ("books", 40)):
        text = write_reviews(folder / f"{name}.csv", rows).read_text(encoding="utf-8")
        (folder / f"{name}.csv").write_text(text.replace("\t", ","), encoding="utf-8")
    write_reviews(folder / "data" / "train.tsv", 120, seed=1)
    write_reviews(folder / "data" / "validation.tsv", 40, seed=2)
    pairs(folder / "nli.csv", 80)
    pairs(
        folder / "hans.csv",
        8,
        ("entailment", "non-entailment"),
        heuristic=["a", "b"] * 4,
        subcase=["c", "d"] * 4,
    )
    (folder / "recipe.json").write_text(
        f'{{"max_tokens": 32, "members": [{MEMBERS}]}}', encoding="utf-8"
    )
    (folder / "grid.yaml").write_text("methods: [wanda, magnitude]\nsparsities: [0, 0.5]\n")
    victim = load_victim(str(folder / "full"), "cpu")
    with torch.no_grad():
        for weight in victim.prunable().values():
            weight[:, ::2] = 0
    export_model(victim, folder / "mask", {})
    save_packed(victim, folder / "packed", {})
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.chdir(folder)
        steps = (
            "biasmodel --data nli.csv --features overlap --out bias",
            f"study {SMALLER['study']} --attack none --cache cache",
        )
        assert [main([*shlex.split(step), "--quiet"]) for step in steps] == [0, 0]
    store = Store(folder / "cache")
    (key,) = [study.key for study in store.studies() if not study.bundled]
    export_study(store, key, folder / "sst2.prunescope")
    (folder / "key").write_text(key[:8])
    return folder


@pytest.fixture
def bench(
    workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[str]], None]:
    """Lays out what a command reads: all but what it writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))

    def lay_out(words: list[str]) -> None:
        written = [after for word, after in pairwise(words) if word == "--out"]
        for item in workshop.iterdir():
            if item.name not in (*written, "cache"):
                (tmp_path / item.name).symlink_to(item)
        for name in ("cache", "results"):
            shutil.copytree(workshop / "cache", tmp_path / name)

    return lay_out


def line_to_run(command: str, line: str, workshop: Path) -> list[str]:
    """The words of an example with what makes it small, and this cache's own keys."""
    words = shlex.split(re.split(" >+ ", line)[0])
    words = [(workshop / "key").read_text() if word == "3b9d" else word for word in words]
    if "--examples" in words:
        words += ["--examples", "2"]
    return [*words, *shlex.split(SMALLER.get(command, "")), "--quiet"]


def job_for(command: str) -> str:
    """A job that the command may act on."""
    queue = JobQueue(None)
    job = queue.submit(StudySpec(device="cpu")).id
    if command in ("jobs log", "jobs remove"):
        queue._rows.change(job, "1", state="failed", reason="made up")
    return job


@pytest.mark.parametrize(("command", "line"), cases(), ids=lambda text: text)
def test_an_example_runs(
    command: str,
    line: str,
    bench: Callable[[list[str]], None],
    workshop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = line_to_run(command, line, workshop)
    bench(words)
    if command in PARSED or any(line.startswith(start) for start in PARSED):
        options = parsed(words)
        assert callable(options.run)
        assert command != "sweep" or len(read_sweep(Path(options.file))) == 2
        return
    monkeypatch.setattr(JobQueue, "start", lambda queue: None)
    if "4f1c" in words:
        words[words.index("4f1c")] = job_for(command)
    if command == "runs unpin":
        for name in ("cache", "results"):
            pin_study(Store(name), next(s.key for s in Store(name).studies() if not s.bundled))
    code = main(words)
    assert code == 0, capfd.readouterr().err


def test_every_help_ends_with_two_examples_of_its_own_command() -> None:
    lines = [line for command, line in cases() if line.startswith(command)]
    commands = {command for command, _ in cases()}
    assert len(lines) == 2 * len(commands) == 2 * len({*map(command_of, lines)})
    every = list(whole_parser().all_commands())
    assert all(command.format_help().count(f"    {command.program} ") == 2 for command in every)


def command_of(line: str) -> str:
    words = line.split(" ")
    return " ".join(words[: 2 if words[0] in ("runs", "jobs") and len(words) > 1 else 1])


def test_the_program_lists_every_command_once_in_a_section() -> None:
    parser = whole_parser()
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted([*listed, "alternatives"]) == sorted(parser.commands())
    text = parser.format_help()
    assert all(f"\n{title}:\n" in text for title in SECTIONS)


@pytest.mark.parametrize("command", [parser.prog for parser in whole_parser().all_commands()])
def test_help_fits_a_narrow_terminal(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    parser = next(each for each in whole_parser().all_commands() if each.prog == command)
    assert max(map(len, parser.format_help().splitlines())) <= 80

"""Every command and every Python block of the documents runs, page by page, from top to bottom.

Commands run in this process, in a folder of their own that holds what the pages name: a small
model, a small file of reviews, a cache. Sizes are shrunk and hub names replaced by local ones, as
the tables below say; what cannot run here is listed with the reason, and
`scripts/documents.py` still checks that its options exist.
"""

import re
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from small_models import write_model, write_reviews
from transformers.utils import logging

import prunescope as ps
from prunescope.engine.cli.main import main
from prunescope.engine.evaluation.margins import fewest_examples
from prunescope.engine.jobs.queue import JobQueue
from prunescope.engine.reading.changes import changes
from prunescope.engine.reading.findings import read_findings

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```(sh|python|yaml)\n(.*?)```", re.DOTALL)
ELSEWHERE = {
    "LOG.md": "history",
    "api.md": "signatures; tests/api runs them and the notebook",
    "cli.md": "tests/cli runs its examples",
}
PAGES = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    if path.name not in ELSEWHERE and BLOCK.search(path.read_text(encoding="utf-8"))
)
NAMES = {  # what the pages name, and the stand-in for it
    "textattack/bert-base-uncased-SST-2": "./my-model",
    "stanfordnlp/sst2": "./reviews.csv",
    "./base": "./my-model",
    "body": "text",
    "stars_class": "label",
}
SOURCE = ["--model", "./my-model", "--data", "./reviews.csv"]
PRUNING = ["--calibration", "20", "--held-out", "10", "--force"]
SIZES = [*PRUNING, "--eval-examples", "20", "--attack-examples", "3"]
SMALL = {  # command → options that make it quick; the last one of a kind counts
    "study": [*SIZES, "--levels", "0,0.5"],
    "export": PRUNING,
    "attack": [*PRUNING, "--eval-examples", "20"],
    "evaluate": ["--eval-examples", "20", "--attack-examples", "3"],
    "baselines": [*SIZES, "--rounds", "2", "--levels", "0,0.5"],
    "finetune": ["--epochs", "1"],
    "sweep": ["--background"],  # queued, not run: a job is a process of its own
}
SKIPPED = {  # the start of a command → why it is not run here
    "scripts/": "the file is checked to exist and to be executable",
    "pip install": "tests/package installs the wheel",
    "docker ": "needs Docker; tests/package reads the Dockerfile and its page",
    "hf upload": "uploads",
    "prunescope app": "serves until it is stopped; tests/browser starts it",
    "prunescope paper": "asks the hub; tests/runs runs the small scale",
    "prunescope subnetworks --recipe": "many trainings; tests/subnetworks runs a small recipe",
    "prunescope members --recipe": "ten trainings; tests/training runs a small recipe",
    "prunescope average --members": "needs the members of the line above",
    "prunescope sweep sweep.yaml --ray": "needs a cluster; tests/jobs has one",
}


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages name."""
    folder = tmp_path_factory.mktemp("pages")
    write_model(folder / "my-model", max_position_embeddings=128)
    table = pd.read_csv(write_reviews(folder / "reviews.tsv", 200, seed=1), sep="\t")
    table.to_csv(folder / "reviews.csv", index=False)
    return folder


@pytest.fixture
def scratch(stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A page's own folder and cache, with signals and loggers as they were afterwards."""
    folder = tmp_path / "page"
    shutil.copytree(stand_ins, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PRUNESCOPE_SHARED", raising=False)
    monkeypatch.setattr(JobQueue, "start", lambda _queue: None)  # no process of its own
    monkeypatch.setattr(ps, "run", _quick(ps.run))
    verbosity, threads = logging.get_verbosity(), torch.get_num_threads()
    logging.set_verbosity_error()
    torch.set_num_threads(1)  # for models this small, more only wait for each other
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield folder
    for number, handler in before.items():
        signal.signal(number, handler)
    logging.set_verbosity(verbosity)
    torch.set_num_threads(threads)


def _quick(run: Callable[..., ps.Study]) -> Callable[..., ps.Study]:
    """`ps.run` with few examples, whatever a page asks for."""

    def quick(
        model: str = "./my-model", data: str = "./reviews.csv", *_: Any, **settings: Any
    ) -> ps.Study:
        sizes = {"calibration": 20, "held_out": 10, "eval_examples": 20, "attack_examples": 3}
        names = [NAMES.get(name, name).replace("embedded", "./my-model") for name in (model,)]
        data = NAMES.get(data, data).replace("embedded", "./reviews.csv")
        return run(*names, data, **{**settings, "levels": (0, 0.5), "force": True, **sizes})

    return quick


def _commands(block: str) -> Iterator[str]:
    for line in block.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def _reason(line: str) -> str | None:
    return next((reason for start, reason in SKIPPED.items() if line.startswith(start)), None)


def _small(line: str) -> list[str]:
    """The words of a command, with the stand-ins and the quick sizes."""
    program, command, *words = shlex.split(line, comments=True)
    assert program == "prunescope", f"{line!r} is neither run nor listed with a reason"
    words = [NAMES.get(word, word) for word in words]
    if command in ("study", "attack", "export", "baselines") and "--model" not in words:
        words += SOURCE
    return [command, *words, *SMALL.get(command, [])]


def _run(line: str) -> None:
    if line.startswith("scripts/"):
        assert (ROOT / line.split()[0]).stat().st_mode & 0o111, line
    if _reason(line) is None:
        try:
            code = main(_small(line))
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        assert code == 0, line


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_command_of_a_page_runs(
    page: Path, scratch: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}
    text = page.read_text(encoding="utf-8")
    for kind, block in BLOCK.findall(text):
        if kind == "yaml":
            (scratch / "sweep.yaml").write_text(block, encoding="utf-8")
        elif kind == "python":
            exec(compile(block, f"{page.name}, a block", "exec"), names)
        else:
            for line in _commands(block):
                _run(line)
    if isinstance(result := names.get("attack"), ps.AttackResult):
        table = result.frame()  # which the page shows
        for model, outcome, changed in zip(table.index, table.outcome, table.text, strict=True):
            assert f"| {model} | {outcome} | {changed if outcome == 'fails' else '–'} |" in text
    capfd.readouterr()


def test_no_reason_for_skipping_outlives_its_command() -> None:
    lines = [
        line
        for page in PAGES
        for kind, block in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == "sh"
        for line in _commands(block)
    ]
    assert [start for start in SKIPPED if not any(line.startswith(start) for line in lines)] == []


def test_the_answer_in_the_tutorial_is_the_bundled_studys() -> None:
    page = (ROOT / "docs" / "tutorials" / "safe-sparsity.md").read_text(encoding="utf-8")
    assert f"> {ps.load('260eaa6447d8').summary(points=3)}\n" in page
    assert f"need {fewest_examples(0.03)} attacked examples" in page


def test_the_figures_of_the_lesson_are_the_bundled_studys() -> None:
    page = (ROOT / "docs" / "tutorials" / "why-sparse-models-break.md").read_text(encoding="utf-8")
    study = ps.load("84a30126986d")
    for sparsity, sentence in (
        (0.875, "accuracy of {:.1f}%, an accuracy under attack of {:.1f}%, and an attack success "),
        (0.0, "The dense model has {:.1f}%, {:.1f}% and"),
    ):
        level = study.level(sparsity)
        assert level.aua is not None and level.acc.value is not None
        text = sentence.format(100 * level.acc.value, 100 * (level.aua.value or 0))
        assert text in " ".join(page.split())


def test_what_the_lesson_says_of_the_methods_is_tested() -> None:
    """Its sentences are written by hand; these are the tests behind them."""
    keys = {"adaptive": "260eaa6447d8", "sparsegpt": "334d350026bd", "magnitude": "84a30126986d"}
    significant = {
        name
        for name, key in keys.items()
        for (sparsity, measure), change in changes(ps.load(key).record).items()
        if measure == "acc" and sparsity <= 0.5 and change.significant
    }
    assert significant == {"magnitude"}
    verdicts = {
        claim.statement: claim.verdict_text
        for finding in read_findings()
        for claim in finding.claims
    }
    for start, verdict in (
        ("The closer the last [CLS] stays", "supported"),
        ("Among models within five points", "supported in 1 of 3"),
        ("An adversarially trained member", "supported"),
        ("Pruned weights rounded to int8", "supported"),  # the tutorial and the FAQ
    ):
        assert [text for name, text in verdicts.items() if name.startswith(start)] == [verdict]

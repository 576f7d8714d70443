"""The commands that make dense models, from members to an average that is evaluated."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers.utils import logging

from prunescope.engine.cli.main import main
from prunescope.engine.data import load_dataset
from prunescope.engine.export.folder import export_model
from prunescope.engine.models.classes import in_order
from prunescope.engine.models.victim import load_victim

Run = Callable[..., tuple[int, str, str]]
MEMBER = {"learning_rate": 0.02, "epochs": 0.5, "batch_size": 8, "rank": 2}


@pytest.fixture(autouse=True)
def as_in_a_process_of_its_own() -> Iterator[None]:
    verbosity, before = logging.get_verbosity(), signal.getsignal(signal.SIGTERM)
    logging.set_verbosity_error()
    yield
    signal.signal(signal.SIGTERM, before)
    logging.set_verbosity(verbosity)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs one command in this process: (exit code, stdout, stderr)."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            code = main([*map(str, arguments), "--quiet", "--json"])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return code, *capfd.readouterr()

    return run


def answer(result: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = result
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("attack", ["none", "deepwordbug"])
def test_from_members_to_an_average(
    run: Run, body: Path, data_folder: Path, tmp_path: Path, attack: str
):
    members = [
        {**MEMBER, "name": "one", "seed": 1},
        {**MEMBER, "name": "two", "seed": 2, "adversarial": "freelb"},
    ]
    (tmp_path / "recipe.json").write_text(json.dumps({"members": members, "max_tokens": 32}))
    judging = ["--select-rows", "20", "--attack", attack, "--attack-examples", "2"]
    built = answer(
        run(
            "members",
            "--recipe",
            tmp_path / "recipe.json",
            "--model",
            body,
            "--data",
            data_folder,
            "--out",
            tmp_path / "out",
            "--device",
            "cpu",
            *judging,
        )
    )
    assert [entry["name"] for entry in built["members"]] == ["one", "two"]
    assert all((entry["aua"] is None) is (attack == "none") for entry in built["members"])
    manifest = json.loads((tmp_path / "out" / "members.json").read_text())
    for entry in manifest["members"]:
        # so that there is something to average, however little was learned
        entry["status"] = "trained"
    (tmp_path / "out" / "members.json").write_text(json.dumps(manifest))
    by = "acc" if attack == "none" else "aua"
    for kind in (by, "uniform"):
        average = ["average", "--members", tmp_path / "out", "--by", kind, "--device", "cpu"]
        result = answer(run(*average, "--out", tmp_path / kind))
        assert (
            result["by"] == kind
            and set(result["singles"]) == {"one", "two"}
            and result["steps"][0]["taken"]
        )
        assert (tmp_path / "out" / f"average-{kind}.json").is_file()
        singles = {entry["name"]: entry["acc"] for entry in manifest["members"]}
        assert {name: single["acc"] for name, single in result["singles"].items()} == singles
        weights = tmp_path / kind / "model.safetensors"
        before = weights.stat().st_mtime_ns
        assert answer(run(*average, "--out", tmp_path / kind)) == result  # it is there already
        assert weights.stat().st_mtime_ns == before
    other = export_model(load_victim(str(tmp_path / "out" / "one"), "cpu"), tmp_path / "other", {})
    code, _, err = run(*average, "--out", other)
    assert code == 2 and "other holds another model than the average of" in err
    score = answer(
        run(
            "evaluate",
            "--model",
            tmp_path / by,
            "--data",
            data_folder,
            "--device",
            "cpu",
            "--attack",
            attack,
            "--attack-examples",
            "2",
        )
    )
    assert score["acc"]["n"] == 60 and (score["aua"] is None) is (attack == "none")


def test_average_of_single_models(
    run: Run,
    model_folder: Path,
    data_folder: Path,
    tmp_path: Path,
    write_model: Callable[..., Path],
):
    other = write_model(tmp_path / "other", seed=1)
    result = answer(
        run(
            "average",
            "--member",
            model_folder,
            "--member",
            other,
            "--data",
            data_folder,
            "--by",
            "uniform",
            "--attack",
            "none",
            "--out",
            tmp_path / "out",
            "--device",
            "cpu",
        )
    )
    assert (
        result["ingredients"] == [str(model_folder), str(other)]
        and (tmp_path / "out" / "model.safetensors").is_file()
    )


@pytest.fixture
def answered(model_folder: Path, data_folder: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """(a model, the same one with its classes the other way round, rows named as both answer)."""
    victim = load_victim(str(model_folder), "cpu")
    model = replace(victim, label_names=("good", "bad"))
    model.model.config.id2label = {0: "good", 1: "bad"}
    turned = in_order(model, ("bad", "good"))
    folders = (
        export_model(model, tmp_path / "model", {}),
        export_model(turned, tmp_path / "turned", {}),
    )
    data = load_dataset(str(data_folder))
    (tmp_path / "data").mkdir()
    for name, part in (("train", data.train), ("validation", data.evaluation)):
        assert part is not None
        names = [
            ("good", "bad")[number] for number in victim.read(part.texts)[0].argmax(dim=1).tolist()
        ]
        assert len(set(names)) == 2
        lines = "".join(f"{text}\t{label}\n" for text, label in zip(part.texts, names, strict=True))
        (tmp_path / "data" / f"{name}.tsv").write_text(f"text\tlabel\n{lines}")
    return *folders, tmp_path / "data"


def test_a_model_is_judged_by_the_names_of_its_classes(
    run: Run, answered: tuple[Path, Path, Path], tmp_path: Path
):
    """Whatever the order in which it and the rows count them."""
    model, turned, data = answered
    for item in (model, turned):
        assert (
            answer(run("evaluate", "--model", item, "--data", data, "--device", "cpu"))["acc"][
                "value"
            ]
            == 1.0
        )
        result = answer(
            run(
                "ood",
                "--model",
                item,
                "--data",
                data,
                "--ood",
                data / "validation.tsv",
                "--device",
                "cpu",
            )
        )
        assert result["id"]["accuracy"]["value"] == result["ood"][0]["accuracy"]["value"] == 1.0
    result = answer(
        run(
            "average",
            "--member",
            turned,
            "--member",
            model,
            "--data",
            data,
            "--by",
            "acc",
            "--attack",
            "none",
            "--out",
            tmp_path / "out",
            "--device",
            "cpu",
        )
    )
    assert [single["acc"]["value"] for single in result["singles"].values()] == [1.0, 1.0] and len(
        result["ingredients"]
    ) == 2
    assert (
        answer(run("evaluate", "--model", tmp_path / "out", "--data", data, "--device", "cpu"))[
            "acc"
        ]["value"]
        == 1.0
    )


def test_evaluation_rows_that_cannot_judge_are_refused_before_any_training(
    run: Run, body: Path, answered: tuple[Path, Path, Path], tmp_path: Path
):
    data = answered[2]
    (data / "validation.tsv").write_text("text\tlabel\na rich film\tgood\nplain\tgood\n")
    code, _, err = run(
        "finetune", "--model", body, "--data", data, "--out", tmp_path / "out", "--device", "cpu"
    )
    assert code == 2 and "one class only" in err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("rank", ["0", "2"])
def test_finetune_writes_a_model_and_says_how_good_it_is(
    run: Run, body: Path, data_folder: Path, tmp_path: Path, rank: str
):
    result = answer(
        run(
            "finetune",
            "--model",
            body,
            "--data",
            data_folder,
            "--out",
            tmp_path / "out",
            "--device",
            "cpu",
            "--epochs",
            "0.1",
            "--rank",
            rank,
            "--max-tokens",
            "32",
            "--adversarial",
            "freelb",
        )
    )
    assert (
        result["steps"],
        result["spec"]["adversarial"],
        result["acc"]["n"],
        result["labels"],
    ) == (
        1,
        "freelb",
        60,
        ["LABEL_0", "LABEL_1"],
    )
    again = answer(
        run("evaluate", "--model", tmp_path / "out", "--data", data_folder, "--device", "cpu")
    )
    assert again["acc"] == result["acc"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["finetune", "--epochs", "inf"], "epochs is inf"),
        (["finetune", "--learning-rate", "0"], "--learning-rate is 0.0"),
        (["finetune", "--label-names", "a,b,c"], "No training row has the label 2"),
        (["finetune", "--label-names", "a"], "name all of them"),
        (["finetune", "--max-tokens", "999"], "max_tokens is 999"),
        (["finetune", "--model", "./nowhere"], "no model folder"),
        (["finetune", "--optimizer", "lion"], "'lion'"),
        (
            [
                "finetune",
                "--learning-rate",
                "1e6",
                "--epochs",
                "9",
                "--warmup",
                "0",
                "--max-tokens",
                "32",
            ],
            "diverged at step",
        ),
        (["members", "--recipe", "nowhere"], "no recipe nowhere"),
        (["members", "--recipe", "p1-table8", "--attack", "x"], "'x'"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Run, body: Path, data_folder: Path, tmp_path: Path, command: list[str], says: str
):
    code, out, err = run(
        command[0],
        "--model",
        body,
        "--data",
        data_folder,
        "--out",
        tmp_path / "out",
        "--device",
        "cpu",
        *command[1:],
    )
    assert (code, out) == (2, "") and err.count("\n") == 1 and says in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ([], "Give either --members"),
        (["--members", "x", "--member", "y"], "Give either --members"),
        (["--members", "./nowhere"], "holds no judged members"),
        (["--member", "./nowhere"], "no selection set"),
    ],
)
def test_averages_that_cannot_be_made(run: Run, tmp_path: Path, command: list[str], says: str):
    code, out, err = run("average", *command, "--out", tmp_path / "out")
    assert (code, out) == (2, "") and err.count("\n") == 1 and says in err

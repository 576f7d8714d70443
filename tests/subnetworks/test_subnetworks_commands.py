"""The commands as a person types them: from a bias model to an exported subnetwork, and one
sentence for bad input.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from prunescope.engine.cli.main import main
from prunescope.engine.models.victim import load_victim


@pytest.fixture
def folder(tmp_path: Path, pairs: Any, write: Any) -> Path:
    write(tmp_path / "task" / "train.tsv", pairs(40, 1))
    write(tmp_path / "task" / "validation.tsv", pairs(12, 2))
    write(tmp_path / "other.tsv", pairs(12, 3), heuristic=["a", "b"] * 6)
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main([str(part) for part in (*arguments, "--json", "--quiet")]) == 0, (
        capsys.readouterr().err
    )
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def test_the_commands_hang_together(
    folder: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
):
    steps = (
        "--data",
        folder / "task",
        "--model",
        model_folder,
        "--epochs",
        1,
        "--learning-rate",
        0.01,
        "--max-tokens",
        32,
        "--label-names",
        "entailment,neutral",
    )
    built = answer(
        capsys,
        "biasmodel",
        "--data",
        folder / "task",
        "--features",
        "bag",
        "--out",
        folder / "bias",
    )
    assert built["rows"] == 40 and built["acc"]["n"] == 12
    answer(
        capsys,
        "retrain",
        *steps,
        "--loss",
        "poe",
        "--bias",
        folder / "bias",
        "--snapshots",
        "0.5",
        "--out",
        folder / "full",
    )
    result = answer(
        capsys,
        "masktrain",
        *steps,
        "--start",
        folder / "full",
        "--sparsity",
        0.7,
        "--out",
        folder / "mask",
    )
    assert result["subnetwork"]["sparsity"] == 0.7 and result["achieved"] == pytest.approx(
        0.7, abs=1e-3
    )
    answer(
        capsys,
        "masktrain",
        *steps,
        "--method",
        "hard-concrete",
        "--adversarial",
        "pgd",
        "--out",
        folder / "ticket",
    )
    result = answer(
        capsys, "imp", *steps, "--rewind", "--sparsity", 0.2, "--epochs", 4, "--out", folder / "imp"
    )
    assert result["subnetwork"]["rewind"] is True
    answer(
        capsys,
        "retrain",
        *steps,
        "--mask-from",
        folder / "imp",
        "--adversarial",
        "freelb",
        "--out",
        folder / "alone",
    )
    result = answer(
        capsys,
        "ood",
        "--model",
        folder / "mask",
        "--data",
        folder / "task",
        "--ood",
        folder / "other.tsv",
        "--task",
        "hans",
    )
    assert result["ood"][0]["accuracy"]["n"] == 12 and list(result["ood"][0]["groups"]) == [
        "heuristic"
    ]
    answer(capsys, "unpack", "--model", folder / "mask", "--out", folder / "dense")
    assert (
        load_victim(str(folder / "dense"), "cpu").fingerprint
        == load_victim(str(folder / "mask"), "cpu").fingerprint
    )


def test_snapshots_are_a_list_of_numbers(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        main(["retrain", "--snapshots", "half", "--data", "d", "--out", "o"])
    assert "--snapshots: 'half' is not a list of numbers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (("masktrain", "--sparsity", "1.2"), "--sparsity is 1.2; it must be a number in"),
        (("masktrain", "--growth", "gradual", "--first", "0.9", "--sparsity", "0.5"), "goes down"),
        (("masktrain", "--loss", "poe"), "needs bias predictions"),
        (
            ("masktrain", "--label-smoothing", "0.1", "--loss", "poe"),
            "--label-smoothing is 0.1, and the loss poe does not",
        ),
        (("masktrain", "--bias", "nowhere"), "no readable bias predictions"),
    ],
)
def test_bad_input_is_one_sentence(
    folder: Path,
    model_folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    messages: str,
):
    code = main(
        [
            *arguments,
            "--data",
            str(folder / "task"),
            "--model",
            str(model_folder),
            "--max-tokens",
            "32",
            "--out",
            str(folder / "out"),
        ]
    )
    message = capsys.readouterr().err
    assert code == 2 and messages in message and message.count("\n") == 1


def test_single_texts_are_told_apart_from_pairs(
    folder: Path, data_folder: Path, model_folder: Path, capsys: Any
):
    assert main(["biasmodel", "--data", str(data_folder), "--out", str(folder / "out")]) == 2
    assert "these rows hold single ones" in capsys.readouterr().err
    assert (
        main(
            [
                "ood",
                "--model",
                str(model_folder),
                "--data",
                str(folder / "task"),
                "--ood",
                str(data_folder),
            ]
        )
        == 2
    )
    assert "holds single texts and the model was trained on pairs" in capsys.readouterr().err

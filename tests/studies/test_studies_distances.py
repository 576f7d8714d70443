"""[CLS] distances over the texts that break the dense model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prunescope.engine.cli.main import main
from prunescope.engine.errors import SettingError
from prunescope.engine.evaluation.inside import read_inside
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies.distances import measure_distances
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.pruned import pruned_at


@pytest.fixture
def spec(model_folder: Path, data_folder: Path) -> StudySpec:
    return StudySpec(
        str(model_folder),
        str(data_folder),
        "magnitude",
        levels=(0.0, 0.3, 0.9),
        calibration=40,
        held_out=10,
        eval_examples=30,
        attack_examples=12,
        device="cpu",
    )


def by_hand(dense: Victim, pruned: Victim, texts: list[str], block: int) -> float:
    found = []
    for text in texts:
        a, b = (read_inside(victim, text).cls[block] for victim in (dense, pruned))
        found.append(1 - float(a @ b) / float(a.norm() * b.norm()))
    return sum(found) / len(found)


def test_distances_are_means_over_the_broken_texts(spec: StudySpec, tmp_path: Path) -> None:
    attacked, broken, rows = measure_distances(spec, Store(tmp_path))
    assert attacked == 12 and 0 < broken <= 12
    assert [(row.sparsity, row.text) for row in rows] == [
        (s, kind) for s in (0.3, 0.9) for kind in ("clean", "adversarial")
    ]
    assert {len(row.cosine) for row in rows} == {2} and {
        one.n for row in rows for one in row.cosine
    } == {broken}
    prepared = prepare(spec)
    texts = [
        json.loads(line)["text"]
        for path in (tmp_path).rglob("*.jsonl")
        for line in path.read_text().splitlines()
        if line
    ]
    clean = [one["original"] for one in texts if one["record"]["outcome"] == "broken"]
    victim = pruned_at(prepared, 0.9, Store(tmp_path)).victim
    wanted = by_hand(load_victim(spec.model, "cpu"), victim, clean, 2)
    assert (
        rows[2].cosine[1].value == pytest.approx(wanted, rel=1e-6)
        and wanted > rows[0].cosine[1].value
    )


def test_without_an_attack_there_are_no_texts(spec: StudySpec, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="need an attack"):
        measure_distances(replace(spec, attack="none"), Store(tmp_path))


def test_the_command_prints_a_line_a_level_and_kind(
    model_folder: Path, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "distances",
                "--model",
                str(model_folder),
                "--data",
                str(data_folder),
                "--method",
                "magnitude",
                "--levels",
                "0.5",
                "--calibration",
                "40",
                "--eval-examples",
                "30",
                "--attack-examples",
                "12",
                "--device",
                "cpu",
                "--cache",
                str(tmp_path),
                "--json",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in out[2:4]] == ["clean", "adversarial"]
    assert json.loads(out[-1])["series"][0]["sparsity"] == 0.5

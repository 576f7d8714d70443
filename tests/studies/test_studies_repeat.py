"""A stored study measured again: the same bytes on the same machine, and said otherwise where they
are not.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prunescope.engine.cli.main import main
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import Store
from prunescope.engine.store.maintenance import REPEATED
from prunescope.engine.studies.repeat import repeat_study
from prunescope.engine.studies.run import run_study

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", bundled=tmp_path / "none")


@pytest.fixture
def study(store: Store, model_folder: Path, data_folder: Path) -> Study:
    spec = StudySpec(
        str(model_folder),
        str(data_folder),
        levels=(0.0, 0.5),
        calibration=40,
        held_out=10,
        eval_examples=50,
        attack="deepwordbug",
        attack_examples=3,
        device="cpu",
    )
    return run_study(spec, store)


@pytest.fixture
def run(store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("prunescope.engine.paths.BUNDLED", store.bundled)

    def run(*arguments: str) -> tuple[int, Any, str]:
        code = main(["runs", "repeat", *arguments, "--cache", str(store.root), "--json", "--quiet"])
        out, err = capsys.readouterr()
        return code, json.loads(out.splitlines()[-1]) if code != 2 else None, out + err

    return run


def test_the_same_machine_gives_the_same_figures_and_leaves_nothing_behind(
    store: Store, study: Study
) -> None:
    before = {path: path.read_bytes() for path in store.root.rglob("*.json")}
    found = repeat_study(study, store, device="cpu")
    assert [one.stored.sparsity for one in found] == [0.0, 0.5]
    assert all(
        one.same and one.same_machine and not one.rows_apart and not one.attacks_apart
        for one in found
    )
    assert found[1].again.attacks and found[1].again is not found[1].stored
    assert {path: path.read_bytes() for path in store.root.rglob("*.json")} == before


def test_levels_may_be_chosen_and_one_that_is_not_there_is_an_error(
    store: Store, study: Study
) -> None:
    assert [
        one.again.sparsity for one in repeat_study(study, store, levels=(0.5,), device="cpu")
    ] == [0.5]
    with pytest.raises(SettingError, match=r"has no level 0\.7; it has 0, 0\.5\."):
        repeat_study(study, store, levels=(0.7,))


def test_other_figures_of_the_same_machine_are_a_defect(
    run: Run, store: Store, study: Study
) -> None:
    pruned = study.levels[1]
    wrong = set(range(50)) - set(pruned.correct)
    changed = replace(
        pruned,
        cls_error=2 * pruned.cls_error,
        correct=tuple(sorted(wrong)),
        attacks=tuple(replace(record, outcome="error") for record in pruned.attacks),
    )
    store.save_level(study, changed)
    code, answer, told = run(study.key[:8])
    assert code == 1 and answer["defect"] and "a defect of ours" in told
    dense, half = answer["levels"]
    assert dense["same"] and (half["same"], half["rows_apart"], half["attacks_apart"]) == (
        False,
        50,
        3,
    )


def test_other_figures_of_another_machine_are_none(run: Run, store: Store, study: Study) -> None:
    for machine in ({}, {**study.levels[1].machine, "threads": 64}):
        store.save_level(study, replace(study.levels[1], cls_error=0.5, machine=machine))
        code, answer, told = run(study.key[:8])
        assert code == 0 and not answer["defect"] and "rounds otherwise" in told
        assert ("64 threads" if machine else "an unknown machine") in told


def test_other_texts_are_refused_and_told(
    run: Run, store: Store, study: Study, data_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(data_folder, other)
    held = next(other.glob("validation.*"))
    lines = held.read_text(encoding="utf-8").splitlines()
    held.write_text(
        "\n".join(
            [lines[0], lines[1].replace(lines[1].split("\t")[0], "Another text."), *lines[2:]]
        )
        + "\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError, match="This is another: the evaluation examples"):
        repeat_study(study, store, data=str(other), device="cpu")
    code, _, told = run(study.key[:8], "--data", str(other))
    assert code == 2 and "is not what the study" in told
    assert not list((store.root / REPEATED).rglob("study.json"))

"""The scripts of P1's tables: their commands can be given, every published row has one, and figures
are collected once.
"""

import importlib
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from prunescope.engine.attacks.recipes import check_attack
from prunescope.engine.cli.main import main as engine
from prunescope.engine.cli.main import parsed
from prunescope.engine.cli.options import spec_from
from prunescope.engine.paths import PROJECT
from prunescope.engine.studies.prepare import check_spec
from prunescope.engine.subnetworks.protocol_file import read_protocol
from prunescope.runs import p1_table1, p1_table2, tables
from prunescope.runs.figures import PUBLISHED, as_text, beside_published
from prunescope.runs.sizes import FULL, SCALES, SETS, SMALL, DataSet
from prunescope.runs.tables import Run

NAMES = sorted(path.stem for path in (PROJECT / "runs").glob("p1_*.py"))


def script(name: str) -> ModuleType:
    return importlib.import_module(f"runs.{name}")


def dry(name: str, scale: str, root: Path, **options: Any) -> Run:
    """The commands of a script, which are not run."""
    words = [
        f"--{setting}={value}"
        for setting, value in {"scale": scale, "out": root, **options}.items()
    ]
    options_of = parsed(["paper", name, "--dry-run", *words])
    sized = SCALES[scale]
    sets = tuple(sized.sized(SETS[data]) for data in sized.sets)
    run = Run(options_of, sized, sets, sized.folder(root))
    script(name).table(run)
    return run


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_every_script_is_made_of_commands_that_can_be_given(
    name: str, scale: str, tmp_path: Path
) -> None:
    commands = dry(name, scale, tmp_path).commands
    assert commands and len(set(map(tuple, commands))) == len(commands)
    for command in commands:
        options = parsed(command)
        if command[0] == "study":
            spec = spec_from(options)
            check_attack(spec.attack)
            check_spec(replace(spec, attack="none"))  # its resources need not be on this machine
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_table_at_full_scale_prints_every_published_row(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = PUBLISHED.get(name.replace("_", "-"), [])
    run = dry(name, "full", tmp_path)
    run.options.dry_run = False
    monkeypatch.setattr(tables, "run_command", answering)
    monkeypatch.setattr("runs.p1_table2.write_atomic", lambda _path, _content: None)
    script(name).table(run)
    rows = {(row["row"], row["set"], float(row["sparsity"])) for row in published}
    assert rows <= set(run.rows)
    beside = beside_published(run.rows, name.replace("_", "-"))
    assert [row["published"] for row in beside if row["published"]] != [] or not published


def rate(value: float) -> dict[str, Any]:
    return {"value": value, "n": 10, "low": 0.0, "high": 1.0}


def answering(words: list[str]) -> int:
    """Stands in for a command: a study's levels or a table's runs, where it is one of these."""
    settings = dict(pairwise(words))
    answer: dict[str, Any] = {}
    if words[0] == "study":
        levels = [float(level) for level in settings["--levels"].split(",")]
        offset = 0.01 * int(settings["--seed"])
        answer["levels"] = [
            {"sparsity": s, "acc": rate(0.9 - s / 2 + offset), "aua": rate(0.1), "asr": None}
            for s in levels
        ]
    if words[0] == "subnetworks":
        cells = json.loads(p1_table2.protocol_path(p1_table2.RECIPE).read_text())["cells"]
        answer["runs"] = [
            {"cell": cell["name"], "sparsity": s, "id": {"accuracy": rate(0.5)}, "aua": None}
            for cell in cells
            for s in (0, 0.3, 0.5, 0.875)
        ]
    print(f"a line of the command's table\n{json.dumps(answer)}")
    return 0


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A small Table 1 of two seeds whose commands are stood in for."""
    monkeypatch.setattr(tables, "run_command", answering)
    scale = replace(SMALL, seeds=(3, 4))
    options = parsed(["paper", "p1-table1", "--resources", "R", "--cache", "C"])
    return Run(options, scale, (scale.sized(SETS["sst2"]),), tmp_path)


def test_rows_hold_one_value_a_seed_and_the_dense_model_counts_once(run: Run) -> None:
    p1_table1.table(run)
    assert list(run.rows)[:3] == [
        ("Fine-tune", "sst2", 0.0),
        ("FreeLB", "sst2", 0.0),
        ("Weight average", "sst2", 0.0),
    ]
    average = run.rows["Weight average", "sst2", 0.0]
    assert average["acc"] == pytest.approx([93, 94]) and "asr" not in average
    assert run.rows["Ours", "sst2", 0.5]["acc"] == pytest.approx([68, 69])
    text = as_text(beside_published(run.rows, "p1-table1"))
    assert "68.5 (0.7)" in text and "88.31 / 43.1 / 51.2" in text


def test_the_dense_model_has_a_row_for_each_attack(run: Run) -> None:
    script("p1_table6").table(run)
    dense = [name for name, _, sparsity in run.rows if sparsity == 0]
    assert dense == [f"Weight average, {x}" for x in ("TextBugger", "BERT-Attack", "TextFooler")]
    assert all(len(values["aua"]) == 2 for values in run.rows.values())


def test_commands_get_the_options_that_they_take(run: Run) -> None:
    p1_table1.table(run)
    passed = {
        words[0]: [option for option in ("--device", "--resources", "--cache") if option in words]
        for words in run.commands
    }
    assert passed == {
        "members": ["--device", "--resources"],
        "average": ["--device"],
        "finetune": ["--device"],
        "study": ["--device", "--resources", "--cache"],
    }


def test_a_command_that_fails_ends_the_script_with_its_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "run_command", lambda words: 3)
    with pytest.raises(SystemExit) as leaving:
        p1_table1.table(run)
    assert leaving.value.code == 3 and len(run.commands) == 1


def test_the_recipe_of_table_2_is_the_shipped_one_in_other_sizes(tmp_path: Path) -> None:
    for scale in (FULL, SMALL):
        recipe = p1_table2.recipe_for(scale, scale.sized(SETS["ag_news"]))
        (tmp_path / "recipe.json").write_text(json.dumps(recipe))
        protocol = read_protocol(tmp_path / "recipe.json")
        assert protocol.train == "fancyzhx/ag_news#train" and protocol.seeds == scale.table_seeds
    assert all(cell["sparsities"] == [0.5] for cell in recipe["cells"] if "sparsities" in cell)


# The door: `prunescope paper`


def door(*words: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        raise SystemExit(engine(["paper", *words]))
    return int(leaving.value.code or 0)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["p1-table1", "--seeds", "one"], "--seeds is 'one'"),
        (["p1-table1", "--sets", "moon"], "no data set 'moon'"),
        (["p1-table1", "--seeds", "99999999999999999999"], "--seeds is 99999999999999999999; it"),
        (["p1-table1", "--scale", "huge"], "no scale 'huge'"),
        (["p9-table9"], "There is no table 'p9-table9'"),
        *((["--attack", "none", name.replace("_", "-")], "attack is none") for name in NAMES),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence_before_any_work(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door(*words, "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_dry_run_lists_the_commands_and_looks_names_up(
    model_folder: Path,
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(SETS, "sst2", DataSet("sst2", str(data_folder), ("bad", "good"), 60, 5))
    words = ["p1-table3", "--scale", "small", "--dry-run", "--out", str(tmp_path / "out")]
    assert door(*words, "--base", str(model_folder)) == 0
    out, error = capsys.readouterr()
    assert "4 commands" in out and "bert, here" in out and "200 training examples and 60" in out
    assert error.count("prunescope") == 4
    assert door(*words, "--base", str(tmp_path / "nothing")) == 2
    assert "no  model" in capsys.readouterr().out and not (tmp_path / "out").exists()

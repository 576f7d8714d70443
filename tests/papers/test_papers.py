"""The papers' recipes: what ships can be read and run, steps are filled in and done once, and bad
files say why.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prunescope.engine.attacks.recipes import check_attack
from prunescope.engine.cli.main import main, parsed
from prunescope.engine.errors import InterruptedStudy, SettingError
from prunescope.engine.papers.check import (
    check_commands,
    check_names,
    look_at_attack,
    look_at_data,
    look_at_model,
    work_of,
)
from prunescope.engine.papers.recipe import SHIPPED, Paper, paper_path, read_paper
from prunescope.engine.papers.run import answer_path, figures, is_done, prepare_step, run_paper
from prunescope.engine.subnetworks.protocol_file import read_protocol

NAMES = sorted(path.stem for path in SHIPPED.glob("*.json"))


def changed(tmp_path: Path, **changes: Any) -> Path:
    told = {
        "title": "T",
        "scales": {"full": {"base": "embedded", "seeds": [3, 4]}},
        "sets": {"a": {"data": "one", "size": 7}, "b": {"data": "two", "size": 8}},
        "steps": [
            {
                "name": "e-{set}-{seed}",
                "for": ["set", "seed"],
                "row": "R",
                "run": [
                    "evaluate",
                    "--data",
                    "{data}",
                    "--seed",
                    "{seed}",
                    "--eval-examples",
                    "{size}",
                ],
            }
        ],
        "published": [{"row": "R", "set": "a", "sparsity": 0, "acc": 50.0}],
        **changes,
    }
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({name: value for name, value in told.items() if value is not None}))
    return path


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return read_paper(changed(tmp_path), work=tmp_path / "work")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", ["full", "small"])
def test_every_shipped_recipe_is_made_of_commands_that_can_be_given(
    name: str, scale: str, tmp_path: Path
) -> None:
    found = read_paper(paper_path(name), scale, tmp_path)
    check_commands(found, parsed)
    assert (
        len({step.name for step in found.steps})
        == len(found.steps)
        == len({step.command for step in found.steps})
    )
    for step in found.steps:
        if step.command[0] == "study":
            options = parsed(step.command)
            from prunescope.engine.cli.studies import spec_from
            from prunescope.engine.studies.prepare import check_spec

            spec = spec_from(options)
            check_attack(spec.attack)
            check_spec(
                replace(spec, attack="none")
            )  # an attack's resources need not be on this machine
        prepare_step(step)
        if step.table is not None:
            assert read_protocol(Path(str(step.option("--recipe")))).train.endswith("#train")
        assert work_of(step, {}) or step.command[0] == "average"


@pytest.mark.parametrize("name", NAMES)
def test_every_published_row_belongs_to_a_step(name: str, tmp_path: Path) -> None:
    found = read_paper(paper_path(name), "full", tmp_path)
    names = {step.row for step in found.steps} | {"Weight average"}
    for step in found.steps:
        if step.table is not None:
            names |= {
                cell["name"]
                for cell in json.loads((Path(read_from(step.table["recipe"]))).read_text())["cells"]
            }
    assert {row["row"] for row in found.published} <= names
    assert {row["set"] for row in found.published} <= set(found.sets)


def read_from(recipe: str) -> Path:
    from prunescope.engine.subnetworks.protocol_file import protocol_path

    return protocol_path(recipe)


def test_steps_repeat_for_sets_and_seeds_with_their_values(paper: Paper) -> None:
    assert [step.name for step in paper.steps] == ["e-a-3", "e-a-4", "e-b-3", "e-b-4"]
    assert paper.steps[3].command == (
        "evaluate",
        "--data",
        "two",
        "--seed",
        "4",
        "--eval-examples",
        "8",
    )
    assert (paper.steps[3].option("--data"), paper.steps[3].option("--none")) == ("two", None)


def test_values_of_a_scale_can_be_replaced(tmp_path: Path) -> None:
    found = read_paper(
        changed(tmp_path), changes={"sets": ["b"], "seeds": [9], "base": "org/model"}, work=tmp_path
    )
    assert [step.name for step in found.steps] == ["e-b-9"]
    assert found.values["work"] == str(tmp_path / "org-model-full")


@pytest.mark.parametrize("scale", ["full", "small"])
def test_seeds_that_are_asked_for_are_those_of_a_table_too(scale: str, tmp_path: Path) -> None:
    def seeds(changes: dict[str, Any]) -> list[list[int]]:
        found = read_paper(paper_path("p1-table2"), scale, tmp_path, changes)
        return [step.table["changes"]["seeds"] for step in found.steps if step.table is not None]

    assert all(one == ([1, 2, 3, 4, 5] if scale == "full" else [1]) for one in seeds({}))
    assert seeds({"seeds": [0]}) and all(one == [0] for one in seeds({"seeds": [0]}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": None}, "needs a title and steps"),
        ({"steps": []}, "needs a title and steps"),
        ({"extra": 1}, "unknown setting 'extra'"),
        ({"steps": [{"name": "x", "run": ["rm", "-rf"]}]}, "cannot run 'rm'"),
        ({"steps": [{"name": "x", "run": ["study", "{nothing}"]}]}, "{nothing} has no value"),
        ({"steps": [{"name": "x", "run": ["study"], "for": ["moon"]}]}, "for only of set, seed"),
        ({"steps": [{"name": "x", "run": ["study"], "loop": 1}]}, "unknown setting 'loop'"),
        ({"scales": {"big": {"base": "embedded"}}}, "no scale 'full'; it has big"),
        ({"scales": {"full": {"base": "embedded", "sets": ["c"]}}}, "no data set 'c'; it has a, b"),
    ],
)
def test_a_recipe_that_does_not_fit_says_where(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingError, match=told.replace("{", r"\{")):
        read_paper(changed(tmp_path, **changes))


def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(SettingError, match="needs a JSON object"):
        read_paper(tmp_path / "list.json")
    with pytest.raises(SettingError, match="There is no recipe p9-table9"):
        paper_path("p9-table9")


def test_a_command_that_cannot_be_given_names_its_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [{"name": "odd", "run": ["evaluate", "--no-such-option", "1"]}]
    with pytest.raises(SettingError, match="The step odd cannot be run"):
        check_commands(read_paper(changed(tmp_path, steps=steps)), parsed)


def rate(value: float) -> dict[str, Any]:
    return {"value": value, "n": 10, "low": 0.0, "high": 1.0}


def test_finished_steps_are_not_run_again_and_make_the_table(paper: Paper) -> None:
    ran: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...]) -> dict[str, Any]:
        if len(ran) == 3:
            raise InterruptedStudy("enough")
        ran.append(command)
        return {"acc": rate(0.5 + 0.1 * len(ran)), "aua": None}

    with pytest.raises(InterruptedStudy):
        run_paper(paper, run, lambda sentence: None)
    assert [is_done(paper, step) for step in paper.steps] == [True, True, True, False]
    said: list[str] = []
    found = run_paper(paper, lambda command: {"acc": rate(0.9), "aua": rate(0.2)}, said.append)
    assert [line.endswith("done before") for line in said] == [True, True, True, False]
    assert [
        (row["set"], [round(value, 9) for value in row["values"]["acc"]]) for row in found["rows"]
    ] == [("a", [60.0, 70.0]), ("b", [80.0, 90.0])]
    first, second = figures(paper)
    assert (
        first.published == {"row": "R", "set": "a", "sparsity": 0, "acc": 50.0}
        and second.published is None
    )
    assert (
        first.text("acc") == "65.0 (7.1)"
        and second.text("aua") == "20.0"
        and first.text("asr") == "–"
    )


def test_levels_of_a_study_are_rows_and_its_dense_model_is_the_average(tmp_path: Path) -> None:
    steps = [
        {"name": "s-{set}", "for": ["set"], "row": "Ours", "run": ["study", "--data", "{data}"]}
    ]
    found = read_paper(changed(tmp_path, steps=steps), work=tmp_path)
    levels = [
        {"sparsity": s, "acc": rate(0.9 - s), "aua": rate(0.1), "asr": {"value": None}}
        for s in (0.0, 0.5)
    ]
    rows = run_paper(found, lambda command: {"levels": levels}, lambda sentence: None)["rows"]
    assert [(row["row"], row["set"], row["sparsity"]) for row in rows] == [
        ("Weight average", "a", 0.0),
        ("Ours", "a", 0.5),
        ("Weight average", "b", 0.0),
        ("Ours", "b", 0.5),
    ]
    assert set(rows[1]["values"]) == {"acc", "aua"}


def test_the_dense_model_counts_once_a_seed_and_attack(tmp_path: Path) -> None:
    run = ["study", "--data", "{data}", "--seed", "{seed}"]
    steps = [
        {
            "name": f"{attack}-{method}-{{set}}-{{seed}}",
            "for": ["set", "seed"],
            "row": f"{method}, {attack}",
            "run": [*run, "--attack", attack, "--method", method],
        }
        for attack in ("textfooler", "textbugger")
        for method in ("paper", "wanda")
    ]
    found = read_paper(changed(tmp_path, steps=steps), work=tmp_path)
    aua = {"textfooler": 0.1, "textbugger": 0.6}

    def ran(command: tuple[str, ...]) -> dict[str, Any]:
        value = aua[command[command.index("--attack") + 1]] + 0.1 * int(
            command[command.index("--seed") + 1]
        )
        return {
            "levels": [
                {"sparsity": s, "acc": rate(0.9), "aua": rate(value), "asr": None}
                for s in (0.0, 0.5)
            ]
        }

    rows = {
        (row["row"], row["set"]): row["values"]["aua"]
        for row in run_paper(found, ran, lambda sentence: None)["rows"]
        if row["sparsity"] == 0
    }
    seeds = sorted({step.seed or 0 for step in found.steps})
    assert len(seeds) > 1
    for attack, title in (("textfooler", "TextFooler"), ("textbugger", "TextBugger")):
        assert rows[f"Weight average, {title}", "a"] == pytest.approx(
            [100 * (aua[attack] + 0.1 * seed) for seed in seeds]
        )


def test_a_model_that_was_written_before_its_answer_is_taken(tmp_path: Path) -> None:
    steps = [{"name": "m", "run": ["finetune", "--model", "{base}", "--out", "{work}/m"]}]
    found = read_paper(changed(tmp_path, steps=steps), work=tmp_path)
    folder = Path(found.values["work"]) / "m"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    run_paper(found, lambda command: pytest.fail("it is there"), lambda sentence: None)
    assert is_done(found, found.steps[0])
    (folder / "config.json").unlink()
    assert not is_done(found, found.steps[0])  # it was removed: made again


def test_names_here_are_looked_at_and_bad_ones_told(
    model_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    assert look_at_model(str(model_folder)) == ("bert, here", 0, 0)
    assert look_at_data(str(data_folder)) == ("200 training rows and 60 others, here", 0, 200)
    assert "built in" in look_at_attack("deepwordbug", None)[0]
    sets = {"a": {"data": str(data_folder)}, "b": {"data": str(tmp_path / "gone")}}
    steps = [{"name": "s", "run": ["evaluate", "--attack", "no-such-attack"]}]
    told = read_paper(
        changed(tmp_path, sets=sets, steps=steps, scales={"full": {"base": str(model_folder)}})
    )
    names = check_names(told, None, lambda sentence: None)
    assert [(one.kind, one.fine) for one in names] == [
        ("model", True),
        ("data", True),
        ("data", False),
        ("attack", False),
    ]
    assert (
        "There is no folder or file" in names[2].about
        and "'no-such-attack' is unknown" in names[3].about
    )


def test_a_dry_run_does_nothing_and_ends_with_2_where_a_name_is_wrong(
    model_folder: Path, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = {"a": {"data": str(data_folder), "size": 5}}
    path = changed(tmp_path, sets=sets, scales={"full": {"base": str(model_folder), "seeds": [0]}})
    given = ["paper", str(path), "--dry-run", "--out", str(tmp_path / "out"), "--json"]
    assert main(given) == 0
    out = capsys.readouterr().out
    assert "every name resolves" in out and "1 due  e-a-0: 5 texts read at most" in out
    assert json.loads(out.splitlines()[-1])["steps"][0]["done"] is False
    assert main([*given, "--base", str(tmp_path / "nothing")]) == 2
    assert (
        "1 of 2 names cannot be used" in capsys.readouterr().out and not (tmp_path / "out").exists()
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dry", [True, False])
def test_a_step_that_needs_an_attack_is_refused_before_any_work(
    name: str, dry: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The members of all tables are averaged by accuracy under attack."""
    given = [
        "paper",
        name,
        "--scale",
        "small",
        "--attack",
        "none",
        "--out",
        str(tmp_path / "out"),
        *["--dry-run"] * dry,
    ]
    assert main(given) == 2
    assert capsys.readouterr().err == (
        "The step average-sst2 needs accuracy under attack, and the attack is none; name one: "
        "--attack NAME.\n"
    )
    assert not (tmp_path / "out").exists()


def test_only_steps_that_need_an_attack_are_refused_without_one(tmp_path: Path) -> None:
    members = {
        "name": "m",
        "run": ["members", "--recipe", "p1-small", "--data", "d", "--attack", "none", "--out", "m"],
    }
    average = {"name": "a", "run": ["average", "--members", "m", "--by", "acc", "--out", "a"]}
    check_commands(read_paper(changed(tmp_path, steps=[members, average])), parsed)
    default = {**average, "run": ["average", "--members", "m", "--out", "a"]}
    with pytest.raises(SettingError, match="The step a needs accuracy under attack"):
        check_commands(read_paper(changed(tmp_path, steps=[members, default])), parsed)
    table = {
        "name": "t",
        "run": ["subnetworks", "--recipe", "r.json", "--data", "d"],
        "table": {
            "recipe": "p1-adversarial",
            "changes": {"attack": {"name": "none", "examples": 5}},
        },
    }
    with pytest.raises(SettingError, match="The step t needs accuracy under attack"):
        check_commands(read_paper(changed(tmp_path, steps=[table])), parsed)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--seeds", "one"], "--seeds is 'one'"),
        (["--sets", "moon"], "no data set 'moon'"),
        (["--seeds", "99999999999999999999"], "--seeds is 99999999999999999999; it must be"),
        (["--scale", "huge"], "no scale 'huge'"),
    ],
)
def test_options_that_cannot_be_are_refused(
    more: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["paper", "p1-table1", *more]) == 2
    assert told in capsys.readouterr().err


def test_work_is_counted_from_the_commands(tmp_path: Path) -> None:
    def read(run: list[str]) -> Paper:
        return read_paper(changed(tmp_path, steps=[{"name": "x", "run": run}]))

    members = read(["members", "--recipe", "p1-table8", "--data", "d"]).steps[0]
    assert (
        work_of(members, {"d": 10}) == "4,130 training rows"
    )  # 53 plain passes, and 120 of three steps each
    tuned = read(
        ["finetune", "--data", "d", "--epochs", "3", "--adversarial", "freelb", "--adv-steps", "3"]
    ).steps[0]
    assert work_of(tuned, {}) == "9 passes over the training rows"
    study = read(
        [
            "study",
            "--levels",
            "0,0.5",
            "--eval-examples",
            "872",
            "--attack",
            "textfooler",
            "--attack-examples",
            "200",
        ]
    ).steps[0]
    assert work_of(study, {}) == "1,744 texts read at most, 400 attacked at most"


def test_answers_under_other_resources_are_not_taken(tmp_path: Path) -> None:
    steps = [{"name": "e", "run": ["evaluate", "--data", "d", "--attack", "textfooler"]}]
    plain, other = (
        read_paper(changed(tmp_path, steps=steps), work=tmp_path, changes=changes)
        for changes in ({}, {"resources": "/some/folder"})
    )
    run_paper(plain, lambda command: {"acc": rate(0.9)}, lambda sentence: None)
    assert is_done(plain, plain.steps[0]) and not is_done(other, other.steps[0])


def test_an_average_of_members_that_were_judged_otherwise_since_is_not_taken(
    tmp_path: Path,
) -> None:
    steps = [
        {
            "name": "a",
            "run": ["average", "--members", "{work}/m", "--out", "{work}/average-{attack}"],
        }
    ]
    found = read_paper(changed(tmp_path, steps=steps), work=tmp_path, changes={"attack": "pruthi"})
    members, average = (Path(found.steps[0].option(name) or "") for name in ("--members", "--out"))
    assert average.name == "average-pruthi"
    for folder, file in ((members, "members.json"), (average, "prunescope.json")):
        folder.mkdir(parents=True)
        (folder / file).write_text(
            json.dumps({"selection": {"attack": "pruthi", "resources": None}})
        )
    (average / "config.json").write_text("{}")
    run_paper(found, lambda command: pytest.fail("it is there"), lambda sentence: None)
    assert is_done(found, found.steps[0])
    (members / "members.json").write_text(
        json.dumps({"selection": {"attack": "pruthi", "resources": "/some/folder"}})
    )
    assert not is_done(found, found.steps[0])


class Commands:
    """Stands in for the commands of a table: members, their average, and a study whose Acc is in
    the average's weights.
    """

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.trained, self.average = "one", 0.9

    def __call__(self, command: tuple[str, ...]) -> dict[str, Any]:
        given = dict(zip(command[1::2], command[2::2], strict=True))
        self.ran.append(command[0])
        if command[0] == "members":
            member = Path(given["--out"]) / "m1"
            member.mkdir(parents=True, exist_ok=True)
            (member / "adapter_model.safetensors").write_text(self.trained)
            (member.parent / "members.json").write_text(
                json.dumps({"selection": {"attack": "pruthi"}})
            )
        elif command[0] == "average":
            assert not Path(given["--out"]).exists()
            write_average(Path(given["--out"]), self.average)
            scores = Path(given["--members"]) / "scores"
            scores.mkdir(exist_ok=True)
            (scores / "one.json").write_text("{}")
        else:
            acc = float((Path(given["--model"]) / "model.safetensors").read_text())
            return {"levels": [{"sparsity": 0.5, "acc": rate(acc)}]}
        return {}


def write_average(folder: Path, acc: float) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "prunescope.json").write_text(json.dumps({"selection": {"attack": "pruthi"}}))
    (folder / "model.safetensors").write_text(str(acc))


@pytest.fixture
def table(tmp_path: Path) -> tuple[Paper, Commands, Callable[[], list[float]]]:
    """A recipe of members, average and study on a local file, its commands, and what runs it: the
    study's figures in %.
    """
    (tmp_path / "data.tsv").write_text("text\tlabel\nfine\t1\n")
    steps = [
        {
            "name": "members",
            "run": ["members", "--recipe", "p1-small", "--data", "{file}", "--out", "{work}/m"],
        },
        {"name": "average", "run": ["average", "--members", "{work}/m", "--out", "{work}/average"]},
        {
            "name": "study",
            "for": ["set"],
            "row": "Ours",
            "run": ["study", "--model", "{work}/average", "--data", "{file}"],
        },
    ]
    scales = {"full": {"base": "embedded", "sets": ["a"], "file": str(tmp_path / "data.tsv")}}
    paper, commands = (
        read_paper(changed(tmp_path, steps=steps, scales=scales), work=tmp_path / "work"),
        Commands(),
    )

    def run() -> list[float]:
        commands.ran.clear()
        found: list[float] = run_paper(paper, commands, lambda sentence: None)["rows"][0]["values"][
            "acc"
        ]
        return found

    assert run() == [90.0] and commands.ran == ["members", "average", "study"]
    assert run() == [90.0] and commands.ran == []
    return paper, commands, run


def folder_of(paper: Paper, name: str) -> Path:
    return Path(paper.values["work"]) / name


def test_a_study_of_an_average_that_was_made_anew_is_run_again(table: Any) -> None:
    paper, commands, run = table
    shutil.rmtree(folder_of(paper, "average"))
    commands.average = 0.6
    assert not is_done(paper, paper.steps[1])
    assert run() == [60.0] and commands.ran == ["average", "study"]
    shutil.rmtree(folder_of(paper, "average"))
    write_average(folder_of(paper, "average"), 0.7)  # by hand: taken as it is
    assert run() == [70.0] and commands.ran == ["study"]
    assert run() == [70.0] and commands.ran == []


def test_members_that_changed_or_are_gone_are_made_again_and_their_old_average_is_refused(
    table: Any,
) -> None:
    paper, commands, run = table
    shutil.rmtree(folder_of(paper, "m"))
    assert run() == [90.0] and commands.ran == [
        "members"
    ]  # made as they were: nothing after them is due
    commands.trained = "two"
    shutil.rmtree(folder_of(paper, "m"))
    with pytest.raises(
        SettingError,
        match=r"The step average made .*average before .*m was changed; remove .*average",
    ):
        run()
    assert commands.ran == ["members"] and not is_done(paper, paper.steps[1])
    shutil.rmtree(folder_of(paper, "average"))
    assert run() == [90.0] and commands.ran == [
        "average"
    ]  # the same average came of it, so its study stands


@pytest.mark.parametrize("name", ["data.tsv", "the average's own weights"])
def test_a_file_that_a_step_reads_makes_it_due(table: Any, tmp_path: Path, name: str) -> None:
    paper, commands, run = table
    if name == "data.tsv":
        (tmp_path / name).write_text("text\tlabel\nfine\t0\n")
        assert run() == [90.0] and commands.ran == ["members", "study"]
    else:
        (folder_of(paper, "average") / "model.safetensors").write_text("0.5")
        assert run() == [50.0] and commands.ran == ["study"]


def test_an_answer_that_does_not_say_what_was_read_is_not_taken(table: Any) -> None:
    paper, commands, run = table
    path = answer_path(paper, paper.steps[2])
    path.write_text(json.dumps({"step": "study", "answer": json.loads(path.read_text())["answer"]}))
    assert run() == [90.0] and commands.ran == ["study"]

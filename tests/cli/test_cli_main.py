"""The parser: a setting that a message names is phrased as this command's flag."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.main import parsed
from prunescope.engine.cli.options import spec_from
from prunescope.engine.errors import phrase
from prunescope.engine.pruning.plan import Plan
from prunescope.engine.studies.sweep import read_sweep

COMMANDS = (
    *("study", "demo", "export", "prune", "unpack", "latency", "baselines", "alternatives"),
    *("attack", "finetune", "members", "average", "evaluate", "biasmodel", "masktrain", "imp"),
    *("retrain", "ood", "subnetworks", "paper", "distances", "jobs", "runs", "sweep"),
)


@pytest.mark.parametrize(
    ("command", "text", "phrased"),
    [
        ("study", "Give `levels=0,0.5`.", "Give --levels 0,0.5."),
        ("study", "Map it with `label_map`.", "Map it with --label-map."),
        ("study", "Use `label_map=neg one=0`.", "Use --label-map='neg one=0'."),
        ("study", "Use `label_map=-1=0`.", "Use --label-map=-1=0."),
        ("study", "Prune all the same with `force=true`.", "Prune all the same with --force."),
        ("alternatives", "Leave it out with `int8=false`.", "Leave it out with --no-int8."),
        ("demo", "Give `levels`.", "Give `levels`."),
    ],
)
def test_a_setting_is_phrased_as_the_flag_of_the_command(
    command: str, text: str, phrased: str
) -> None:
    assert phrase(text, parsed([command]).parser.flag_of) == phrased


@pytest.mark.parametrize(
    ("former", "current"),
    [
        ("study --method sequential", "study --method sparsegpt"),
        ("study --method paper", "study --method p1"),
        ("study --method static", "study --method sparsegpt-static"),
        ("study --method adaptive:solver=exact", "study --method adaptive:solver=obc"),
        (
            "prune --out x --method paper:solver=blocked",
            "prune --out x --method p1:solver=sparsegpt",
        ),
        ("attack --text x --method sequential", "attack --text x --method sparsegpt"),
        ("alternatives --method static", "baselines --method sparsegpt-static"),
        ("alternatives --levels 0.5 --no-int8", "baselines --levels 0.5 --no-int8"),
        ("study --calib 8 --level 0,0.5", "study --calibration 8 --levels 0,0.5"),
    ],
)
def test_a_former_spelling_is_the_same_study(former: str, current: str) -> None:
    """The same command, the same settings, and a plan that gives the study the same key."""
    plans, settings = [], []
    for line in (former, current):
        options = parsed(line.split())
        spec = spec_from(options)
        plans.append(Plan.named(spec.method, spec.pattern, spec.allocation).identity())
        settings.append((options.run, replace(spec, method="")))
    assert plans[0] == plans[1] and settings[0] == settings[1]


def test_a_sweep_of_former_names_is_the_same_sweep(tmp_path: Path) -> None:
    plans = []
    for name, methods in (("former", "sequential, paper"), ("current", "sparsegpt, p1")):
        file = tmp_path / f"{name}.yaml"
        file.write_text(f"methods: [{methods}]\nsparsities: [0, 0.5]\n", encoding="utf-8")
        plans.append([Plan.named(spec.method).identity() for spec in read_sweep(file)])
    assert len(plans[0]) == 2 and plans[0] == plans[1]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "study --calibration x",
            "Argument --calibration: 'x' is not a whole number of at least 1",
        ),
        ("attack --examples x", "Argument --examples: 'x' is not a whole number above 0;"),
        ("attack --text a --sparsity x", "Argument --sparsity: 'x' is not a number in [0, 1);"),
        ("study --calibraton 3", "did you mean --calibration?"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_one_sentence(
    line: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(line.split())
    said = capsys.readouterr().err
    assert ended.value.code == 2 and sentence in said and said.count("\n") == 1


def test_what_no_flag_gives_is_named_without_backticks() -> None:
    stream = io.StringIO()
    Console(stream=stream, flag_of=parsed(["sweep", "x"]).parser.flag_of).say(
        "`calibration` is 0; name a folder with `cache`, or use `attack=none`."
    )
    assert (
        stream.getvalue() == "calibration is 0; name a folder with --cache, or use attack=none.\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_no_backtick_no_python_value_and_no_none(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed([command, "--help"])
    shown = capsys.readouterr().out
    assert not re.search(r"`|\('|default: (None|\[|\()|==SUPPRESS==", shown)
    assert not re.search(r"--[a-z]+_[a-z]", shown)

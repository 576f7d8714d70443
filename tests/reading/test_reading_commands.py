"""Command lines are parsed back by the command line's own parser and mean what was meant."""

import shlex
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_studies import made_up_study

from prunescope.engine import StudySpec
from prunescope.engine.cli.main import parsed
from prunescope.engine.cli.options import spec_from
from prunescope.engine.reading import commands

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
MAYBE_TEXT = st.none() | TEXT
SPECS = st.builds(
    StudySpec,
    model=TEXT.map("m{}".format) | TEXT.map("-m{}".format),
    data=TEXT.map("d{}".format) | TEXT.map("--d{}".format),
    method=st.sampled_from(["adaptive", "wanda", "adaptive:refit=none,importance=off"]),
    pattern=st.sampled_from(["unstructured", "row", "2:4"]),
    levels=st.lists(st.integers(0, 999_999).map(lambda part: part / 1e6), min_size=1).map(tuple),
    calibration=st.integers(1, 9999),
    attack=st.sampled_from(["none", "deepwordbug", "textfooler"]),
    max_queries=st.none() | st.integers(1, 99),
    max_seconds=st.none() | st.floats(0.1, 99),
    seed=st.integers(-(2**62), 2**62),
    layers=st.sampled_from(["", "0=0,5.output=0.3"]),
    force=st.booleans(),
    resources=MAYBE_TEXT.map(lambda text: text and f"/{text}"),
    text_column=MAYBE_TEXT,
    label_map=MAYBE_TEXT,
)
UNUSUAL = StudySpec(
    model="-odd model",
    data="/data/my set",
    method="adaptive:refit=none",
    pattern="2:4",
    attack="textfooler",
    attack_examples=20,
    eval_examples=90,
    max_queries=40,
    max_seconds=1.5,
    seed=-3,
    allocation="uniform",
    layers="0=0",
    force=True,
    resources="/res ources",
    label_map="-1=0,1=1",
)


def parse(command: commands.Command) -> Any:
    """The options of a command that went through a shell."""
    words = shlex.split(commands.shell(command))
    assert tuple(words) == command and command[:1] == commands.PROGRAM
    return parsed(words[1:])


def stored(spec: StudySpec, **changes: Any) -> Any:
    """A study as it is stored after it was asked for."""
    settings = {name: value for name, value in asdict(spec).items() if name != "levels"}
    return made_up_study(spec={**settings, **changes})


@settings(deadline=None, max_examples=40)
@given(SPECS)
def test_a_study_s_command_is_read_back_as_the_same_study(spec: StudySpec) -> None:
    assert spec_from(parse(commands.study_command(asdict(spec)))) == spec.rooted()


def test_what_is_usual_is_left_out() -> None:
    usual = commands.study_command(asdict(StudySpec()))
    assert commands.shell(usual) == "prunescope study"
    assert parse(commands.study_command({}, background=True)).background


@pytest.mark.parametrize("name", ["attack", "max_queries", "force", "label_map", "seed"])
def test_each_setting_is_named_by_its_option(name: str) -> None:
    value = getattr(UNUSUAL, name)
    assert getattr(parse(commands.study_command({name: value})), name) == value


def test_a_stored_study_is_measured_again_with_the_same_settings() -> None:
    options = parse(commands.repeat_command(stored(UNUSUAL), (0.0, 0.875)))
    assert spec_from(options) == replace(UNUSUAL, levels=(0.0, 0.875))


def test_an_export_takes_the_settings_that_decide_the_pruned_model_and_no_others() -> None:
    options = parse(commands.export_command(stored(UNUSUAL), 0.875, "the folder"))
    usual = {name: getattr(StudySpec(), name) for name in commands.STUDY_FIELDS}
    assert spec_from(options, levels=usual["levels"]) == replace(UNUSUAL, **usual)
    assert (options.sparsity, options.out) == (0.875, "the folder")


def test_data_of_which_only_the_name_is_known_is_a_path_to_fill_in() -> None:
    options = parse(commands.export_command(stored(StudySpec(), data=None), 0.5))
    assert options.data == "PATH/TO/made-up"


@settings(deadline=None, max_examples=40)
@given(TEXT, st.none() | st.integers(0, 9), st.integers(0, 99), st.none() | st.integers(1, 99))
def test_an_attack_names_its_text_its_label_and_its_budget(
    text: str, label: int | None, seed: int, queries: int | None
) -> None:
    request = commands.AttackCommand(text, "textfooler-like", label, seed, queries)
    options = parse(commands.attack_command(stored(UNUSUAL), 0.5, request))
    values = (options.text, options.attack, options.seed, options.max_queries, options.max_seconds)
    assert values == (text, "textfooler-like", seed, queries, None)
    assert options.label == (None if label is None else str(label))
    assert (options.model, options.sparsity) == (UNUSUAL.model, 0.5)
    assert options.resources == UNUSUAL.resources


@pytest.mark.parametrize("bundled", [True, False])
def test_the_commands_of_members_and_subnetworks_exist(bundled: bool) -> None:
    members = SimpleNamespace(bundled=bundled, name="imdb", data="imdb", folder="/my members")
    table = SimpleNamespace(name="nli-small")
    lines = [*commands.member_commands(members), *commands.subnetwork_commands(table)]  # type: ignore[arg-type]
    assert all(callable(parse(line).run) for line in lines)

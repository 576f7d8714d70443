"""`prunescope average`: members averaged into one dense model."""

import argparse
from typing import Any

from prunescope.engine.cli.console import Console, average_table
from prunescope.engine.cli.finetune import members_folder, selection_options, selection_spec
from prunescope.engine.cli.options import (
    Answer,
    Command,
    add_settings,
    group_of,
    reading_of,
    reading_options,
)
from prunescope.engine.cli.settings import TRAINING, Places
from prunescope.engine.cli.settings_training import (
    MemberSettings,
    TrainingSettings,
)
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import expanded
from prunescope.engine.records import StudySpec


def add_commands(command: Command) -> None:
    """Add `average`."""
    average = command(
        "average",
        _average,
        "Average fine-tuned models into one dense model. Uniformly, or greedily by accuracy or "
        "accuracy under attack on examples that are neither trained on nor evaluated.",
        examples=(
            (
                "The members of reviews, chosen by accuracy under attack:",
                "average --members reviews --by aua",
            ),
            (
                "Two models of your own, all weights alike:",
                "average --member ./tuned-a --member ./tuned-b --data reviews.csv --by uniform "
                "--out average",
            ),
        ),
    )
    add_settings(average, MemberSettings, "members")
    group_of(average, TRAINING).add_argument(
        "--member",
        action="append",
        metavar="MODEL",
        default=[],
        help="a fine-tuned model of one base (a hub name or folder); repeat it, instead of "
        "--members",
    )
    add_settings(average, MemberSettings, "data", "by")
    helps = {"allow_overlap": "with `member`: judge by examples that are also evaluated"}
    add_settings(average, TrainingSettings, "allow_overlap", helps=helps)
    selection_options(average)
    reading_options(average)
    add_settings(average, StudySpec, "device")
    add_settings(average, Places, "cache")
    add_settings(
        average,
        Places,
        "out",
        helps={"out": "the model folder to write"},
        optional={"out": "with --members, average-BY in their folder"},
    )


def _average(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.training.soup import average_folder, average_models

    if bool(options.members) == bool(options.member):
        raise SettingError(
            "Give either --members with a folder made by `prunescope members`, or --member "
            "for each model."
        )
    if options.members and (options.data or options.select):
        raise SettingError("--members knows its selection set; leave --data and --select out.")
    if twice := [name for name in options.member if options.member.count(name) > 1]:
        raise SettingError(f"--member {twice[0]} is given twice; name each model once.")
    if options.members:
        folder = expanded(options.members)
        folder = folder if folder.is_dir() else members_folder(options.cache, options.members)
        out = expanded(options.out or folder / f"average-{options.by}")
        record = average_folder(
            folder, options.by, out, device=options.device, report=console.report, say=console.say
        )
    else:
        if options.out is None:
            raise SettingError("There is no --out; name the model folder to write.")
        out = expanded(options.out)
        selection = _selection_set(options)
        record = average_models(
            options.member,
            options.by,
            selection,
            out,
            out.with_name(f"{out.name}.judging"),
            device=options.device,
            report=console.report,
            say=console.say,
        )
    return {**record, "out": str(out)}, average_table(record) + f"{out}\n"


def _selection_set(options: argparse.Namespace) -> Any:
    from prunescope.engine.data import load_dataset
    from prunescope.engine.training.selection import selection_from_file, split_selection

    columns, spec = reading_of(options), selection_spec(options)
    if options.data is not None:
        return split_selection(
            load_dataset(options.data, **columns), spec, columns, options.allow_overlap
        )[1]
    if options.select is None:
        raise SettingError(
            "There is no selection set; give --data with a training split, or --select."
        )
    return selection_from_file(spec, columns)

"""`prunescope finetune` and `members`: dense models made by fine-tuning."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.console import Console, members_table, score_line
from prunescope.engine.cli.evaluate import score_of
from prunescope.engine.cli.options import (
    Answer,
    Command,
    add_settings,
    names_of,
    reading_of,
    reading_options,
    record_of,
)
from prunescope.engine.cli.settings import Places
from prunescope.engine.cli.settings_training import (
    MemberSettings,
    TrainingSettings,
)
from prunescope.engine.config.describe import settings_of
from prunescope.engine.paths import expanded, user_cache
from prunescope.engine.records import StudySpec
from prunescope.engine.training.spec import TrainSpec

if TYPE_CHECKING:
    from prunescope.engine.data import Examples
    from prunescope.engine.training.finetune import TrainingSetup

STEPS = tuple(name for name in settings_of(TrainSpec) if name != "name")
INPUTS = ("model", "data", "label_names", "allow_overlap", "precision")
SELECTION = ("select", "select_rows")
JUDGED = ("attack", "attack_examples", "resources", "seed")


def add_commands(command: Command) -> None:
    """Add `finetune` and `members`."""
    tune = command(
        "finetune",
        _finetune,
        "Fine-tune a classifier from a pretrained checkpoint. Plainly or adversarially; the same "
        "command goes on where it was stopped.",
        examples=(
            ("A classifier of your own data:", "finetune --data reviews.csv --out tuned"),
            (
                "Adversarially, from a checkpoint in a folder:",
                "finetune --model ./my-checkpoint --data reviews.csv --adversarial freelb "
                "--epochs 3 --out robust",
            ),
        ),
    )
    add_settings(tune, TrainingSettings, *INPUTS, "head_seed", "max_tokens")
    reading_options(tune)
    add_settings(tune, TrainSpec, *STEPS, defaults={"seed": 0, "learning_rate": 2e-5, "rank": 0})
    add_settings(tune, StudySpec, "device")
    add_settings(tune, Places, "out", helps={"out": "the model folder to write"})

    members = command(
        "members",
        _members,
        "Fine-tune the members of a recipe, to be averaged. Each is judged by accuracy and "
        "accuracy under attack on held-out training examples; a finished member is not redone.",
        examples=(
            (
                "The members of P1's Table 8, on your own data:",
                "members --recipe p1-table8 --data reviews.csv",
            ),
            (
                "The members of your own recipe, judged by 40 attacks each:",
                "members --recipe recipe.json --data reviews.csv --attack-examples 40",
            ),
        ),
    )
    add_settings(members, TrainingSettings, *INPUTS)
    add_settings(members, MemberSettings, "recipe")
    reading_options(members)
    selection_options(members)
    add_settings(members, StudySpec, "device")
    add_settings(members, Places, "cache")
    add_settings(
        members,
        Places,
        "out",
        helps={"out": "the folder that receives one folder a member"},
        optional={
            "out": "members/ and the data's name in the cache, where the dashboard finds them"
        },
    )


def selection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the selection set and of the attack on it."""
    add_settings(parser, MemberSettings, *SELECTION)
    add_settings(
        parser,
        StudySpec,
        *JUDGED,
        defaults={"attack_examples": 100},
        helps={
            "attack": "the attack that selects",
            "attack_examples": "examples that are attacked",
            "seed": "seed of the choice of the selection set",
        },
    )


def members_folder(cache: str | None, name: str) -> Path:
    """Where members of this name are in the cache."""
    return (expanded(cache) if cache else user_cache()) / "members" / name


def selection_spec(options: argparse.Namespace) -> Any:
    """The `SelectionSpec` that the options describe."""
    from prunescope.engine.training.selection import SelectionSpec

    return SelectionSpec(
        options.select_rows,
        options.attack,
        options.attack_examples,
        options.seed,
        options.select,
        options.resources,
    )


def training_setup(
    options: argparse.Namespace, examples: "Examples", names: Sequence[str], console: Console
) -> "TrainingSetup":
    """Open the base that the options name, for training on these examples with these classes."""
    from prunescope.engine.models.base import open_base
    from prunescope.engine.models.victim import pick_device
    from prunescope.engine.training.finetune import TrainingSetup

    base = open_base(options.model)
    console.notices(base.notices)
    return TrainingSetup(
        base,
        examples,
        tuple(names),
        options.head_seed,
        options.max_tokens,
        str(pick_device(options.device)),
        options.precision,
    )


def _finetune(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.data import check_labels, load_dataset
    from prunescope.engine.training.class_names import named_data
    from prunescope.engine.training.finetune import finetune
    from prunescope.engine.training.selection import training_split

    out = expanded(options.out)
    spec = record_of(TrainSpec, options, name=out.name)
    # One file is divided as `evaluate` divides it.
    data = load_dataset(options.data, **reading_of(options))
    data, names, notices = named_data(data, names_of(options.label_names))
    rows = training_split(data, options.allow_overlap)
    if expanded(options.data).is_file():
        notices = (
            *notices,
            f"{options.data} is one file: {len(rows)} of its examples are trained on, and "
            f"{len(data.evaluation)} others are evaluated here. The command evaluate reads all of "
            "them.",
        )
    console.notices(notices)
    # Before the long work, not after it.
    check_labels(data.evaluation, len(names), f"{data.name}, evaluation")
    shared = training_setup(options, rows, names, console)
    record = finetune(spec, shared, out, report=console.report, say=console.say)
    score = score_of(str(out.resolve()), data, 10**9, "none", 1, options, console)
    line = (
        f"{out}: {record['steps']} steps, loss {record['final_loss']:.3f}, {score_line(score)} "
        "on the evaluation examples\n"
    )
    return {**record, **score, "notices": [*notices, *score["notices"]], "out": str(out)}, line


def _members(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.training.members import run_members
    from prunescope.engine.training.recipe import recipe_path

    out = (
        expanded(options.out)
        if options.out
        else members_folder(options.cache, Path(options.data).stem)
    )
    table = run_members(
        recipe_path(options.recipe),
        options.data,
        out,
        base=options.model,
        select=selection_spec(options),
        label_names=names_of(options.label_names),
        device=options.device,
        precision=options.precision,
        allow_overlap=options.allow_overlap,
        report=console.report,
        say=console.say,
        **reading_of(options),
    )
    return {**table, "out": str(out)}, members_table(table) + f"{out}\n"

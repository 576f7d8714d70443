"""`prunescope attack`: one text, rows of a data set, or a fixed adversarial set, on one
victim or two.

The second victim is another model (`--against`) or the first one pruned (`--sparsity`).
"""

import argparse
from collections.abc import Callable

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import (
    BUDGET,
    Answer,
    add_settings,
    group_of,
    spec_from,
    victim_options,
)
from prunescope.engine.cli.settings_attack import FIXED_SET, SPARSITY, WHAT, TargetSettings
from prunescope.engine.errors import SettingError
from prunescope.engine.records import StudySpec


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with `command(name, run, about, examples)`."""
    attack = command(
        "attack",
        _attack,
        "Attack one text, examples of a data set, or a fixed set. On one victim, or on two side "
        "by side.",
        examples=(
            (
                "One text, on the embedded model dense and with 87.5% zeros:",
                'attack --sparsity 0.875 --text "a warm, funny film with a great cast"',
            ),
            (
                "100 examples of your data, on two models:",
                "attack --model ./my-model --against ./half --data reviews.csv --examples 100",
            ),
        ),
    )
    attack_options(attack)


def _attack(options: argparse.Namespace, console: Console) -> Answer:
    return run_attack(
        options,
        spec_from(options, levels=(SPARSITY if options.sparsity is None else options.sparsity,)),
        console,
    )


def attack_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of what is attacked, of the victims, and of the attack."""
    mode = group_of(parser, WHAT).add_mutually_exclusive_group(required=True)
    add_settings(parser, TargetSettings, "text", "examples", "set", into=mode)
    add_settings(parser, TargetSettings, "label")
    helps = {
        "eval_examples": "with `examples`: those that are evaluated, among which the attacked ones "
        "are drawn, as in a study",
        "attack": "how texts are changed until the model errs",
    }
    victim_options(parser)
    add_settings(parser, TargetSettings, "against", "sparsity")
    add_settings(parser, StudySpec, "eval_examples", "attack", *BUDGET, "resources", helps=helps)
    add_settings(parser, TargetSettings, "task")
    group_of(parser, FIXED_SET).add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="with --set: examples with this value only; repeat it for further columns",
    )
    add_settings(parser, TargetSettings, "log")


def run_attack(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    """Run the attack that the options name: (the JSON object, the table)."""
    from prunescope.engine.attacks.recipes import check_attack, check_ready

    _check(options)
    if options.set is None:  # before the long work, not in the middle of it
        check_attack(spec.attack)
        check_ready(spec.attack, spec.resources)
    if options.text is not None:
        from prunescope.engine.cli.attack_text import run_on_text

        return run_on_text(options, spec, console)
    if options.set is not None:
        from prunescope.engine.cli.attack_set import run_on_set

        return run_on_set(options, spec, console)
    from prunescope.engine.cli.attack_data import run_on_data

    return run_on_data(options, spec, console)


def _check(options: argparse.Namespace) -> None:
    """Raises SettingError for options that do not go together or are out of range."""
    mode = next(
        f"--{name}" for name in ("text", "examples", "set") if getattr(options, name) is not None
    )
    if options.against is not None and options.sparsity is not None:
        raise SettingError("--against and --sparsity both name the second victim; use one of them.")
    needs = {
        "label": ("--text",),
        "log": ("--examples",),
        "task": ("--set",),
        "where": ("--set",),
        "max_queries": ("--examples", "--text"),
        "max_seconds": ("--examples", "--text"),
    }
    for name, modes in needs.items():
        if getattr(options, name) not in (None, []) and mode not in modes:
            raise SettingError(
                f"--{name.replace('_', '-')} goes with {' or '.join(modes)}, not with {mode}; "
                "leave it out."
            )
    if mode != "--set" and options.attack == "none":
        raise SettingError(
            "--attack is none, so there is nothing to run; name an attack such as deepwordbug."
        )

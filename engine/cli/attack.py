"""`python -m engine attack`: one text, rows of a data set, or a fixed adversarial set, on one
victim or two.

The second victim is another model (`--against`) or the first one pruned (`--sparsity`).
"""

import argparse
import math
from collections.abc import Callable

from prunescope.engine.attacks.catalogue import ATTACK_HELP
from prunescope.engine.cli.attack_victims import SPARSITY
from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import (
    Answer,
    add_settings,
    budget_options,
    spec_from,
    victim_options,
)
from prunescope.engine.errors import SettingError
from prunescope.engine.records import StudySpec


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with `command(name, run, about)`."""
    attack = command(
        "attack",
        _attack,
        "Attack one text or rows of a data set, or read a fixed adversarial set, on one victim or "
        "on two side by side.",
    )
    victim_options(attack)
    attack_options(attack)


def _attack(options: argparse.Namespace, console: Console) -> Answer:
    return run_attack(
        options,
        spec_from(options, levels=(SPARSITY if options.sparsity is None else options.sparsity,)),
        console,
    )


def attack_options(parser: argparse.ArgumentParser) -> None:
    """The options beside those that name victims and data."""
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument(
        "--text", help="attack this text, on the dense victim and the pruned one or --against"
    )
    mode.add_argument(
        "--examples", type=int, metavar="N", help="attack N evaluation examples of --data"
    )
    mode.add_argument(
        "--set",
        metavar="FILE",
        help="read a fixed adversarial set: labelled texts (AdvGLUE), clean and "
        "adversarial texts side by side, or a log of attacks such as TextAttack's CSV",
    )
    _examples_options(parser)
    _second_victim_options(parser)
    parser.add_argument(
        "--label",
        metavar="L",
        help="true label of --text, a number or a class's name (default: what the first "
        "victim says)",
    )
    parser.add_argument(
        "--attack",
        default="deepwordbug",
        metavar="NAME",
        help=ATTACK_HELP + " (default: deepwordbug)",
    )
    budget_options(parser)
    add_settings(parser, StudySpec, "resources")
    _set_options(parser)


def _examples_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--eval-examples",
        type=int,
        default=StudySpec().eval_examples,
        metavar="N",
        help="with --examples: rows that are evaluated, among which those to attack are "
        "drawn, as in a study (default: 872)",
    )
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="with --examples: write texts and outcomes as TextAttack's CSV or as JSON, "
        "by the suffix; those of a second victim go to FILE with -against before it",
    )


def _second_victim_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--against",
        metavar="B",
        help="a second model, given the same examples and compared with the first",
    )
    parser.add_argument(
        "--sparsity",
        type=float,
        metavar="S",
        help="compare with the first model pruned at this sparsity "
        f"(default with --text: {SPARSITY:g})",
    )


def _set_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task",
        metavar="T",
        help="with --set: examples of this task, such as sst2, and what their labels mean",
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="with --set: examples with this value only",
    )


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
    if options.sparsity is not None and not 0 <= options.sparsity < 1:
        raise SettingError(f"`sparsity` is {options.sparsity}; it must be a number in [0, 1).")
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
    for name in ("examples", "max_queries", "max_seconds"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise SettingError(
                f"--{name.replace('_', '-')} is {value}; it must be a number above 0."
            )
    if mode != "--set" and options.attack == "none":
        raise SettingError(
            "--attack is none, so there is nothing to run; name an attack such as deepwordbug."
        )

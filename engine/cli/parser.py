"""The parser of the command line: commands in sections, help in groups that ends with examples, and
one sentence for bad input.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from prunescope.engine.cli.console import write_out
from prunescope.engine.cli.options import add_settings, flag_text, group_of
from prunescope.engine.cli.settings import OUTPUT, TRAINING, Places
from prunescope.engine.cli.settings_attack import WHAT
from prunescope.engine.config.study import DATA, RUN

PROGRAM = "prunescope"
PURPOSE = "How sparse can a language model get before it stops being robust?"
# Titles of --help → the commands below them, in this order.
SECTIONS = {
    "Start here": ("app", "demo", "completion"),
    "Studies": ("study", "evaluate", "baselines", "latency", "distances"),
    "Models on disk": ("export", "prune", "unpack"),
    "Attacks": ("attack",),
    "Training and averages": ("finetune", "members", "average"),
    "Subnetworks and OOD": ("biasmodel", "masktrain", "imp", "retrain", "ood", "subnetworks"),
    "Store and jobs": ("runs", "jobs"),
    "Papers and sweeps": ("sweep", "paper"),
}
ANSWERS = {"--json": "end stdout with one JSON object", "--quiet": "no progress on stderr"}
EVERYWHERE = ("json", "quiet", "help")
POSITIONAL = "arguments"
# Groups at the beginning and at the end of a help, whatever lies between them.
FIRST, LAST = (POSITIONAL, WHAT, TRAINING, DATA), (OUTPUT, RUN)
WIDEST = 100  # characters of a line of help, on a terminal that has more
_NO_NUMBER = re.compile("invalid (int|float) value: (.*)", re.DOTALL)  # in argparse's words
_NUMBERS = {"int": "a whole number", "float": "a number"}

Example = tuple[str, str]  # (what it does, the command line behind the program's name)


class _Formatter(argparse.HelpFormatter):
    """Argparse's, never wider than a page."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)
        self._width = min(self._width, WIDEST - 2)


class VersionAction(argparse.Action):
    """Prints the version of the package."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print it and leave."""
        from prunescope import __version__

        write_out(f"{PROGRAM} {__version__}\n")
        parser.exit()


class CommandParser(argparse.ArgumentParser):
    """One command, or the program with all of them."""

    def __init__(
        self, *args: Any, examples: Sequence[Example] = (), program: str = PROGRAM, **more: Any
    ) -> None:
        more |= {"add_help": False, "formatter_class": _Formatter}
        super().__init__(*args, **more)
        self._positionals.title = POSITIONAL
        self.examples, self.program = tuple(examples), program
        self.sections: dict[str, tuple[str, ...]] = {}  # title → commands, of the whole program

    def error(self, message: str) -> NoReturn:
        """Answer a bad argument with one sentence and leave with 2."""
        message = _NO_NUMBER.sub(lambda match: f"{match[2]} is not {_NUMBERS[match[1]]}", message)
        sentence = f"{message[0].upper()}{message[1:]}"
        hint = f"ee {self.prog} --help.\n"
        self.exit(2, f"{sentence} S{hint}" if sentence[-1] in "?." else f"{sentence}; s{hint}")

    def _get_option_tuples(self, option_string: str) -> Any:
        """The options that an abbreviation may mean, argparse's records of them.

        Of two, one of which begins with the other, it is the shorter: `--calib` meant
        `--calibration` before there was `--calibration-data`.
        """
        records: list[Any] = super()._get_option_tuples(option_string)
        names = {record[1] for record in records}
        return [
            record
            for record in records
            if not any(record[1] != name and record[1].startswith(name) for name in names)
        ]

    def format_help(self) -> str:
        """Usage, what the command does, its options by group, its examples."""
        about, options = self._get_formatter(), self._get_formatter()
        about.add_text(self.description)
        for group in self.groups():
            options.start_section(group.title)
            options.add_arguments(self._listed(group._group_actions))
            options.end_section()
        parts = (
            *(self.format_usage(), about.format_help(), self._sections_text()),
            *(options.format_help(), self._examples_text()),
        )
        return "\n".join(filter(None, parts))

    def format_usage(self) -> str:
        """What must be given; the options are listed below."""
        return f"usage: {' '.join((self.prog, *self._synopsis()))}\n"

    def groups(self) -> list[argparse._ArgumentGroup]:
        """The groups of options that hold any, those first and last that always are."""
        groups = [group for group in self._action_groups if self._listed(group._group_actions)]

        def place(group: argparse._ArgumentGroup) -> int:
            if group.title in FIRST:
                return FIRST.index(group.title) - len(FIRST)
            return LAST.index(group.title) + 1 if group.title in LAST else 0

        return sorted(groups, key=place)

    @property
    def summary(self) -> str:
        """The first sentence of what it does."""
        return summary_of(self.description or "")

    def commands(self) -> dict[str, "CommandParser"]:
        """The commands below this one, aliases included."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}

    def all_commands(self) -> Iterator["CommandParser"]:
        """This parser and those of every command below it, each once."""
        yield self
        for command in dict.fromkeys(self.commands().values()):
            yield from command.all_commands()

    def options(self) -> list[str]:
        """The long options, as they are written."""
        return [
            name
            for action in self._actions
            for name in action.option_strings
            if name.startswith("--")
        ]

    def flag_of(self, name: str, value: str | None) -> str | None:
        """How this command's line gives a setting that a message names; see `engine.errors`."""
        flags = {action.dest: action.option_strings for action in self._actions}
        if not flags.get(name):
            return None
        return flag_text(next(text for text in flags[name] if text.startswith("--")), value)

    def refuse_unknown(self, words: Sequence[str]) -> NoReturn:
        """Leave with a sentence for words that no option takes."""
        name = words[0].partition("=")[0]
        if name in self.options():  # of this command, but before its name
            self.exit(2, f"{name} comes behind the command, as in {self.prog} {name}.\n")
        near = difflib.get_close_matches(name, self.options(), n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        self.error(f"unrecognized arguments: {' '.join(words)}{meant}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            near = difflib.get_close_matches(str(value), list(action.choices), n=1)
            meant = f"; did you mean {near[0]}?" if near else "."
            self.error(f"there is no {str(action.metavar).lower()} {value!r}{meant}")
        super()._check_value(action, value)

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file in (None, sys.stdout):
            write_out(message)
        else:
            super()._print_message(message, file)

    def _synopsis(self) -> Iterator[str]:
        for choice in self._mutually_exclusive_groups:
            if choice.required:
                yield f"({' | '.join(map(_usage_of, choice._group_actions))})"
        for action in self._actions:
            if action.option_strings and action.required:
                yield _usage_of(action)
            elif not action.option_strings:
                needed = action.required or bool(self.sections)
                yield str(action.metavar) if needed else f"[{action.metavar}]"
        yield "[options]"

    def _listed(self, actions: Iterable[argparse.Action]) -> list[argparse.Action]:
        """What a help lists, what every command has at the end; commands in sections are apart."""
        options = [
            action
            for action in actions
            if not (self.sections and isinstance(action, argparse._SubParsersAction))
        ]
        return sorted(options, key=lambda action: action.dest in EVERYWHERE)

    def _sections_text(self) -> str:
        """The commands with the first sentence of each, under their titles."""
        commands, sections = self.commands(), list[str]()
        width = max((len(name) for names in self.sections.values() for name in names), default=0)
        for title, names in self.sections.items():
            lines = [f"  {name:<{width}}  {commands[name].summary}\n" for name in names]
            sections.append(f"{title}:\n{''.join(lines)}")
        return "\n".join(sections)

    def _examples_text(self) -> str:
        width = self._get_formatter()._width
        lines = [
            f"  {about}\n    {folded(f'{self.program} {line}', width - 6, 6)}\n"
            for about, line in self.examples
        ]
        return "examples:\n" + "\n".join(lines) if lines else ""


def _usage_of(action: argparse.Action) -> str:
    flag = next(text for text in action.option_strings if text.startswith("--"))
    return f"{flag} {action.metavar or action.dest.upper()}"


def folded(line: str, width: int, indent: int) -> str:
    """A command line over several lines of a terminal, broken before options; a shell reads it as
    one.
    """
    lines = [""]
    for part in re.split("(?= -{1,2}[a-z])", line):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append(part.lstrip())
        else:
            lines[-1] += part
    return f" \\\n{' ' * indent}".join(lines)


def summary_of(about: str) -> str:
    """The first sentence of what a command does."""
    return f"{about.partition('. ')[0].rstrip('.')}."


def add_help_option(group: argparse._ArgumentGroup) -> None:
    """Add `--help`."""
    group.add_argument("-h", "--help", action="help", help="show this help")


def add_command(
    commands: Any,
    program: str,
    name: str,
    run: Callable[..., Any],
    about: str,
    examples: Sequence[Example],
    default: Any = False,
    **more: Any,
) -> CommandParser:
    """Add a command with what every command has; `default` is that of its switches."""
    parser: CommandParser = commands.add_parser(
        name, help=summary_of(about), description=about, examples=examples, program=program, **more
    )
    parser.set_defaults(run=run, parser=parser)
    running = group_of(parser, RUN)
    for flag, help_text in ANSWERS.items():
        running.add_argument(flag, action="store_true", default=default, help=help_text)
    add_help_option(running)
    return parser


def add_actions(
    command: CommandParser,
    actions: Iterable[tuple[str, Callable[..., Any], str, Sequence[Example]]],
) -> dict[str, CommandParser]:
    """Add commands below a command, as `runs list` is; the options of the command may stand behind
    each of them, too.
    """
    parsers = {}
    below = command.add_subparsers(metavar="ACTION")
    for name, run, about, examples in actions:
        parser = add_command(
            below, command.program, name, run, about, examples, default=argparse.SUPPRESS
        )
        add_settings(parser, Places, "cache")
        for action in parser._actions:
            if action.dest == "cache":
                action.default = argparse.SUPPRESS
        parsers[name] = parser
    return parsers

"""docs/cli.md: every command with its options and examples, from the parser that reads them."""

import argparse
from collections.abc import Iterator

from prunescope.engine.cli.main import whole_parser
from prunescope.engine.cli.options import option_about
from prunescope.engine.cli.parser import EVERYWHERE, CommandParser, folded
from prunescope.engine.config.describe import Described

WIDTH = 96  # of a command line on the page
HEAD = "| option | what it is | values | default |\n| --- | --- | --- | --- |\n"
INTRODUCTION = """\
# Command line

`prunescope COMMAND [options]`; in a checkout, `python -m engine COMMAND` means the same. This page
is made from the commands themselves, and `prunescope COMMAND --help` prints the same.

Every command has these options, so the tables below leave them out:

| option | what it does |
| --- | --- |
| `--json` | The last line of stdout is one JSON object. Progress and notices go to stderr. |
| `--quiet` | No progress on stderr. |
| `--help` | Show the command's options and two examples. |

The exit code is 0 for success, 2 for invalid input (one sentence on stderr says what is wrong and
what to do), 3 for an interrupted command (run it again to go on), and 1 for an internal error.

In the YAML file of a sweep and in the JSON files of recipes, a setting has the option's name with
underscores: `--eval-examples 872` is `eval_examples: 872`. In Python it is the same name.
"""


def reference() -> str:
    """All commands as a Markdown page."""
    parser = whole_parser()
    commands = parser.commands()
    parts = [INTRODUCTION]
    for title, names in parser.sections.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts += _command(commands[name])
    return "\n".join(parts)


def _command(parser: CommandParser) -> Iterator[str]:
    """A command, and the commands below it."""
    yield f"### {parser.prog.removeprefix(f'{parser.program} ')}\n"
    yield f"{_cell(parser.description or '')}\n"
    yield f"```text\n{parser.format_usage().removeprefix('usage: ')}```\n"
    for group in parser.groups():
        rows = [_row(action) for action in group._group_actions if _is_its_own(action)]
        if rows:
            yield f"{str(group.title).capitalize()}:\n"
            yield f"{HEAD}{''.join(rows)}"
    examples = "\n\n".join(_examples(parser))
    yield f"Examples:\n\n```sh\n{examples}\n```\n"
    for below in dict.fromkeys(parser.commands().values()):
        yield from _command(below)


def _is_its_own(action: argparse.Action) -> bool:
    return action.dest not in EVERYWHERE and not isinstance(action, argparse._SubParsersAction)


def _row(action: argparse.Action) -> str:
    described: Described | None = getattr(action, "described", None)
    about, values, default = (action.help or "").replace("%%", "%"), "", ""
    if described is not None:
        about = option_about(described)
        values = "" if described.kind is bool or described.values == "text" else described.values
        default = described.default_text
    flags = ", ".join(f"`{flag}`" for flag in action.option_strings) or f"`{action.metavar}`"
    cells = (flags, about, values, "required" if action.required else default)
    return f"| {' | '.join(map(_cell, cells))} |\n"


def _examples(parser: CommandParser) -> Iterator[str]:
    for about, line in parser.examples:
        yield f"# {about.rstrip(':')}\n{folded(f'{parser.program} {line}', WIDTH, 4)}"


def _cell(text: str) -> str:
    """Text for a table of Markdown: no bar ends a cell, no angle bracket opens a tag."""
    return text.replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*")

"""The command line: `python -m engine …`.

Progress and notices go to stderr. With `--json` the last line of stdout is one JSON object. Exit
codes: 0 done, 2 bad input (one sentence on stderr), 3 interrupted and resumable, 1 a defect of
ours.
"""

import argparse
import difflib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from prunescope.engine.cli import (
    attack,
    average,
    baselines,
    evaluate,
    export,
    finetune,
    jobs,
    latency,
    ood,
    papers,
    runs,
    studies,
    subnetworks,
    sweep,
)
from prunescope.engine.cli.console import Console, printable
from prunescope.engine.cli.options import flag_text
from prunescope.engine.config.environment import quiet_libraries
from prunescope.engine.errors import InputError, InterruptedStudy, PruneScopeError

# In the order in which --help lists their commands.
GROUPS = (
    *(studies, export, latency, attack, baselines, finetune, average, evaluate),
    *(runs, jobs, subnetworks, ood, sweep, papers),
)

_NO_NUMBER = re.compile("invalid (int|float) value: (.*)", re.DOTALL)  # in argparse's words
_NUMBERS = {"int": "a whole number", "float": "a number"}


class _Parser(argparse.ArgumentParser):
    """Answers a bad argument with one sentence; `--help` shows the usage."""

    def error(self, message: str) -> NoReturn:
        message = _NO_NUMBER.sub(lambda match: f"{match[2]} is not {_NUMBERS[match[1]]}", message)
        sentence = f"{message[0].upper()}{message[1:]}"
        self.exit(
            2,
            f"{sentence} See {self.prog} --help.\n"
            if sentence.endswith("?")
            else f"{sentence}; see {self.prog} --help.\n",
        )

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    quiet_libraries()
    # spinning threads crawl when anything else wants a core
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    options = parsed(arguments)
    console = Console(quiet=options.quiet, flag_of=options.parser.flag_of)
    signal.signal(signal.SIGTERM, _stop)
    try:
        answer, table = options.run(options, console)
    except InputError as error:
        console.say(str(error))
        return 2
    except (KeyboardInterrupt, InterruptedStudy):
        console.say("Stopped. What was finished is kept; the same command goes on from there.")
        return 3
    except PruneScopeError as error:
        console.say(f"{type(error).__name__}: {error}")
        return 1
    except BrokenPipeError:  # whoever reads what is said has read enough
        raise
    except OSError as error:
        # a name too long, a folder that is shut, a full disk: of this machine, not of the program
        where = f"{error.filename} cannot be used" if error.filename else "A file cannot be used"
        console.say(
            f"{where} ({error.strerror or error}); check the path, its permissions and the space "
            "there."
        )
        return 2
    if console.noticed and isinstance(answer, dict):
        # what was said before the work stands in the answer, too
        answer["notices"] = list(dict.fromkeys([*answer.get("notices", ()), *console.noticed]))
    _write(printable(table) + (json.dumps(answer, allow_nan=False) + "\n" if options.json else ""))
    return int(getattr(options, "code", 0))


def _write(text: str) -> None:
    """Write to stdout; the reader may have closed it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # nor may the interpreter's own flush fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """A command's options, ready for `options.run(options, console)`; a recipe's steps are
    commands.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:  # said by the command's own parser, which knows the options that there are
        near = difflib.get_close_matches(
            unknown[0].partition("=")[0], options.parser.options(), n=1
        )
        meant = f"; did you mean {near[0]}?" if near else ""
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
    return options


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt  # not an Exception, so no library on the way can swallow it


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m engine",
        description="How sparse can a language model get before it stops being robust?",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[..., Any], about: str, **more: Any
    ) -> argparse.ArgumentParser:
        subparser = commands.add_parser(name, help=about, description=about, **more)
        subparser.set_defaults(run=run, parser=subparser)
        subparser.add_argument(
            "--json", action="store_true", help="end stdout with one JSON object"
        )
        subparser.add_argument("--quiet", action="store_true", help="no progress on stderr")
        return subparser

    for group in GROUPS:
        group.add_commands(command)
    return parser

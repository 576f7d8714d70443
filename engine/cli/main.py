"""The command line: `prunescope …`, which is `python -m engine …` in a checkout, too.

Progress and notices go to stderr. With `--json` the last line of stdout is one JSON object. Exit
codes: 0 done, 2 bad input (one sentence on stderr), 3 interrupted and resumable, 1 a defect of
ours.
"""

import argparse
import json
import os
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
    start,
    studies,
    subnetworks,
    sweep,
)
from prunescope.engine.cli.console import Console, printable, write_out
from prunescope.engine.cli.options import group_of
from prunescope.engine.cli.parser import (
    PROGRAM,
    PURPOSE,
    SECTIONS,
    CommandParser,
    Example,
    VersionAction,
    add_command,
    add_help_option,
)
from prunescope.engine.config.environment import quiet_libraries
from prunescope.engine.errors import InputError, InterruptedStudy, PruneScopeError

GROUPS = (
    *(start, studies, export, latency, attack, baselines, finetune, average, evaluate),
    *(runs, jobs, subnetworks, ood, sweep, papers),
)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run one command and return its exit code; `program` is what was typed before it."""
    quiet_libraries()
    # spinning threads crawl when anything else wants a core
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    options = parsed(arguments, program)
    if options.run is None:  # no command at all
        write_out(options.parser.format_help())
        return 0
    console = Console(quiet=options.quiet, flag_of=options.parser.flag_of, program=program)
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
    write_out(
        printable(table) + (json.dumps(answer, allow_nan=False) + "\n" if options.json else "")
    )
    return int(getattr(options, "code", 0))


def parsed(arguments: Sequence[str] | None, program: str = PROGRAM) -> argparse.Namespace:
    """A command's options, ready for `options.run(options, console)`."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["help"]:  # as other programs take it
        words = [*words[1:], "--help"]
    options, unknown = whole_parser(program).parse_known_args(words)
    if unknown:  # said by the command's own parser, which knows the options that there are
        options.parser.refuse_unknown(unknown)
    return options


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt  # not an Exception, so no library on the way can swallow it


def whole_parser(program: str = PROGRAM) -> CommandParser:
    """The parser of all commands."""
    parser = CommandParser(
        prog=program,
        description=PURPOSE,
        examples=(
            ("See the dashboard:", "app"),
            ("What a command does, with its options and two examples:", "study --help"),
        ),
    )
    parser.program = program
    parser.sections = SECTIONS
    parser.set_defaults(run=None, parser=parser, whole=parser)
    commands = parser.add_subparsers(metavar="COMMAND")

    def command(
        name: str, run: Callable[..., Any], about: str, examples: Sequence[Example], **more: Any
    ) -> CommandParser:
        return add_command(commands, program, name, run, about, examples, **more)

    for group in GROUPS:
        group.add_commands(command)
    own = group_of(parser, "options")
    own.add_argument("--version", action=VersionAction, nargs=0, help="show the version")
    add_help_option(own)
    return parser

"""`prunescope app` and `completion`: the dashboard, and the commands at a press of Tab."""

import argparse
import os
import socket
import subprocess
import sys

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import NAMES, Answer, Command, add_settings
from prunescope.engine.cli.parser import PROGRAM, CommandParser
from prunescope.engine.cli.settings import AppSettings
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import child_environment

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
FOLDERS, FILES = ("DIR", "MODEL"), ("FILE", "DATA", "SWEEP.yaml")  # metavars that name paths


def add_commands(command: Command) -> None:
    """Add `app` and `completion`."""
    app = command(
        "app",
        _app,
        "Open the dashboard in a browser. It runs on this machine until Ctrl+C.",
        examples=(
            ("Serve the dashboard on the usual port:", "app"),
            ("Serve it for others, who may look and attack but not compute:", "app --public"),
        ),
    )
    add_settings(app, AppSettings, "port", "public", "no_ahead")
    completion = command(
        "completion",
        _completion,
        "Print the script by which a shell completes commands and options. A shell reads it from "
        "its own file or folder of completions.",
        examples=(
            (
                "For bash, from the next terminal on:",
                "completion bash >> ~/.bash_completion",
            ),
            ("For fish:", "completion fish > ~/.config/fish/completions/prunescope.fish"),
        ),
    )
    completion.add_argument(
        "shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}"
    )


def _app(options: argparse.Namespace, console: Console) -> Answer:
    port = options.port
    _check_free(port)
    public = {"PRUNESCOPE_PUBLIC": "1"} if options.public else {}
    ahead = {"PRUNESCOPE_AHEAD": "0"} if options.no_ahead else {}
    environment = {**child_environment(), **public, **ahead}
    console.say(f"PruneScope: http://127.0.0.1:{port} (stop with Ctrl+C)")
    words = [sys.executable, "-m", "prunescope.app", "--server.port", str(port)]
    if os.name == "nt":  # where a process cannot become another
        options.code = subprocess.call(words, env=environment)
        return {}, ""
    os.execve(sys.executable, words, environment)


def _check_free(port: int) -> None:
    """Raises SettingError for a port that another program listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise SettingError(
                f"Port {port} is for the system's own services; choose one above 1023, such as "
                "`port=8501`."
            ) from error
        except OSError as error:
            other = port + 1 if port < 65535 else port - 1
            raise SettingError(
                f"Port {port} is in use; choose another one, such as `port={other}`."
            ) from error


def _completion(options: argparse.Namespace, _console: Console) -> Answer:
    import shtab  # says nothing to any other command

    whole: CommandParser = options.whole
    whole.prog = PROGRAM  # whatever it was called by: a shell completes commands of one word
    for command in whole.all_commands():
        for action in command._actions:
            if action.dest in NAMES:
                action.choices = tuple(NAMES[action.dest].split(", "))
            elif action.metavar in FOLDERS:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.metavar in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    script = str(shtab.complete(whole, options.shell))
    return {"shell": options.shell, "script": script}, script

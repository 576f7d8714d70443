"""The first things that are typed: nothing, a slip, the dashboard, the completion of a shell."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import prunescope
from prunescope.engine import paths
from prunescope.engine.cli.main import main
from prunescope.engine.cli.start import SHELLS

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """`main` listens to a signal; whoever comes after it does not."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def leaving(capsys: Output, *words: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of one command."""
    try:
        code = main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capsys.readouterr()


def test_no_command_is_a_question_for_help(capsys: Output) -> None:
    code, out, err = leaving(capsys)
    assert (code, err) == (0, "") and out.startswith("usage: prunescope COMMAND [options]\n")
    assert leaving(capsys, "--help") == leaving(capsys, "help") == (0, out, "")
    assert leaving(capsys, "help", "study") == leaving(capsys, "study", "--help")


def test_the_version_is_the_package_s(capsys: Output) -> None:
    assert leaving(capsys, "--version") == (0, f"prunescope {prunescope.__version__}\n", "")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("studdy", "There is no command 'studdy'; did you mean study? See prunescope --help.\n"),
        ("runs lst", "There is no action 'lst'; did you mean list? See prunescope runs --help.\n"),
        ("größe", "There is no command 'größe'. See prunescope --help.\n"),
        ("--json study", "--json comes behind the command, as in prunescope study --json.\n"),
        (
            "study --seed",
            "Argument --seed: expected one argument; see prunescope study --help.\n",
        ),
        (
            "export --sparsity 0.5",
            "The following arguments are required: --out; see prunescope export --help.\n",
        ),
        (
            "export --format zip --out x",
            "Argument --format: 'zip' is not one of folder, packed; see prunescope export "
            "--help.\n",
        ),
        (
            "app --port 70000",
            "Argument --port: '70000' is not a whole number in [1, 65535]; see prunescope app "
            "--help.\n",
        ),
    ],
)
def test_a_slip_is_one_sentence(line: str, sentence: str, capsys: Output) -> None:
    assert leaving(capsys, *line.split()) == (2, "", sentence)


@pytest.mark.parametrize("module", ["prunescope", "engine"])
def test_the_program_is_called_what_was_typed(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "study", "--sed", "x", "--nothing"],
        capture_output=True,
        text=True,
        cwd=paths.PROJECT,
    )
    assert done.returncode == 2 and f"ee python -m {module} study --help." in done.stderr


def test_a_reader_of_the_help_may_go_away() -> None:
    command = [sys.executable, "-m", "prunescope", "study", "--help"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=paths.PROJECT
    )
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    assert (running.wait(60), running.stderr.read()) == (0, b"")
    running.stderr.close()


# The dashboard


@pytest.mark.parametrize(
    ("option", "variables"),
    [(None, {}), ("--public", {"PUBLIC": "1"}), ("--no-ahead", {"AHEAD": "0"})],
)
def test_the_dashboard_takes_the_place_of_the_command(
    option: str | None, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    class Started(Exception):
        pass

    def become(program: str, words: list[str], environment: dict[str, str]) -> None:
        assert program == sys.executable and words[1:3] == ["-m", "prunescope.app"]
        assert words[3:] == ["--server.port", str(port)]
        for name in ("PUBLIC", "AHEAD"):
            assert environment.get(f"PRUNESCOPE_{name}") == variables.get(name)
        raise Started

    for name in ("PUBLIC", "AHEAD"):
        monkeypatch.delenv(f"PRUNESCOPE_{name}", raising=False)
    monkeypatch.setattr(os, "execve", become)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Started):
        main(["app", "--port", str(port), *([option] if option else [])])
    assert f"http://127.0.0.1:{port} " in capsys.readouterr().err


def test_a_port_in_use_is_refused_with_another_one(capsys: Output) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, out, err = leaving(capsys, "app", "--port", str(port))
    assert (code, out) == (2, "") and err.startswith(f"Port {port} is in use; ")
    assert "--port " in err and err.count("\n") == 1


# The completion of a shell


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_of_every_shell_names_the_commands(shell: str, capsys: Output) -> None:
    code, out, err = leaving(capsys, "completion", shell)
    assert (code, err) == (0, "") and "prunescope" in out and "masktrain" in out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("stu", {"study"}),
        ("study --att", {"--attack", "--attack-examples"}),
        ("study --attack text", {"textfooler", "textfooler-like", "textbugger", "textbugger-like"}),
        ("runs ver", {"verify"}),
    ],
)
def test_bash_completes_commands_options_and_values(
    words: str, completed: set[str], tmp_path: Path, capsys: Output
) -> None:
    script = tmp_path / "completion"
    script.write_text(leaving(capsys, "completion", "bash")[1], encoding="utf-8")
    count = len(words.split())
    ask = (
        f"source {script}; COMP_WORDS=(prunescope {words}); COMP_CWORD={count}; "
        "_shtab_prunescope; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == completed

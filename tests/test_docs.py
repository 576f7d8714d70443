"""The documents say what the project does: tables equal the bundled studies, commands exist."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_results_equal_the_bundled_studies() -> None:
    code = (
        "import sys; sys.path[:0] = ['scripts', '.']; import results;"
        "sys.stdout.buffer.write(results.render().encode())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode() == (ROOT / "docs" / "RESULTS.md").read_text(encoding="utf-8")


def test_every_command_in_the_readme_exists() -> None:
    named = set(
        re.findall(r"python -m engine (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    )
    shown = subprocess.run(
        [sys.executable, "-m", "engine", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert named and all(re.search(rf"^\s+{name}\b", shown.stdout, re.MULTILINE) for name in named)


def test_the_readme_opens_with_the_two_commands() -> None:
    start = (ROOT / "README.md").read_text(encoding="utf-8")[:400]
    assert "scripts/run" in start and "scripts/test" in start
    assert all((ROOT / name).stat().st_mode & 0o111 for name in ("scripts/run", "scripts/test"))

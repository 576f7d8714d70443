"""The documents say what the project does: tables equal the bundled studies, commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from prunescope.engine.reading.findings import FILE
from prunescope.engine.reading.titles import PAPERS

ROOT = Path(__file__).resolve().parents[1]


def test_the_results_and_the_findings_equal_the_bundled_studies() -> None:
    code = (
        "import sys; sys.path[:0] = ['scripts', '.']; import results\n"
        "from prunescope.engine.reading.findings import findings_text\n"
        "text, findings = results.render()\n"
        "sys.stdout.buffer.write((text + chr(0) + findings_text(findings)).encode())"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    text, findings = run.stdout.decode().split("\0")
    assert text == (ROOT / "docs" / "RESULTS.md").read_text(encoding="utf-8")
    assert findings == FILE.read_text(encoding="utf-8")


def test_the_results_name_both_papers_in_full() -> None:
    text = (ROOT / "docs" / "RESULTS.md").read_text(encoding="utf-8")
    assert all(f"{name} is {title}." in text for name, title in PAPERS.items())


@pytest.mark.parametrize(
    "path", sorted((ROOT / "scripts").rglob("*.py")), ids=lambda path: path.stem
)
def test_no_script_imports_the_app(path: Path) -> None:
    assert "prunescope.app" not in path.read_text(encoding="utf-8")


def test_every_command_in_the_readme_exists() -> None:
    named = set(re.findall(r"prunescope (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
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

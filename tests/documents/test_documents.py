"""The documents say what the project does: tables equal the bundled studies, links lead somewhere,
commands exist.
"""

import re
import sys
from pathlib import Path

import pytest

from prunescope.engine.config.papers import PAPERS

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from scripts import documents, results  # noqa: E402


def test_the_documents_have_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """Links, anchors, navigation, commands, generated pages and glossary."""
    assert (documents.main(), capsys.readouterr().out) == (0, "")


def test_a_page_that_differs_from_the_bundled_studies_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "DOCS", tmp_path)
    monkeypatch.setattr(results, "render", lambda: ({"results.md": "new"}, []))
    (tmp_path / "results.md").write_text("old", encoding="utf-8")
    assert "docs/results.md" in results.stale()


def test_the_results_and_the_method_name_both_papers_in_full() -> None:
    for name in ("results.md", "method.md"):
        text = " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())
        assert all(f"{paper} is {title}." in text for paper, title in PAPERS.items()), name


def test_the_messages_that_a_page_explains_are_the_engines() -> None:
    page = (ROOT / "docs" / "data-and-models.md").read_text(encoding="utf-8")
    table = page.split("## What the messages mean")[1].split("\n## ")[0]
    engine = "".join(path.read_text("utf-8") for path in (ROOT / "engine").rglob("*.py"))
    engine = re.sub(r'"\s*\n\s*f?"', "", engine)  # a message may take several lines
    messages = re.findall(r"^\| `([^|]*)` \|", table, re.MULTILINE)
    assert len(messages) > 10
    for message in messages:
        # names and numbers are examples
        parts = [part.strip() for part in re.split(r"…|'[^']*'|\d[\d., ]*", message)]
        assert [part for part in parts if len(part) > 3 and part not in engine] == [], message


@pytest.mark.parametrize(
    "path", sorted((ROOT / "scripts").rglob("*.py")), ids=lambda path: path.stem
)
def test_no_script_imports_the_app(path: Path) -> None:
    assert "prunescope.app" not in path.read_text(encoding="utf-8")


def test_the_readme_names_the_two_commands_and_fits_one_screen() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "scripts/run" in text and "scripts/test" in text
    assert len(text.splitlines()) <= 80
    assert all((ROOT / name).stat().st_mode & 0o111 for name in ("scripts/run", "scripts/test"))


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("See [this](nowhere.md).\n", "nowhere.md, which is not there"),
        ("# Here\n\nSee [this](#there).\n", "heading #there"),
        ("```sh\nprunescope studdy\n```\n", "is refused"),
        ("```sh\nprunescope study --leevels 0\n```\n", "is refused"),
        ("No line break at the end", "does not end with one line break"),
    ],
)
def test_a_fault_in_a_page_is_named(tmp_path: Path, page: str, fault: str) -> None:
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    faults = list(documents.faults_of(tmp_path / "page.md"))
    assert len(faults) == 1 and fault in faults[0]

"""The site builds without a warning, where MkDocs is installed (requirements-docs.txt)."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("mkdocs", "material", "latex2mathml"))),
    reason="the site's packages are not installed: pip install -r requirements-docs.txt",
)
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    subprocess.run([*build, "--site-dir", str(tmp_path)], cwd=ROOT, check=True)
    page = (tmp_path / "method.html").read_text(encoding="utf-8")
    assert "<math" in page and "arithmatex" not in page
    pages = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")}
    elsewhere = ('src="http', 'stylesheet" href="http')
    assert not [name for name, text in pages.items() if any(mark in text for mark in elsewhere)]

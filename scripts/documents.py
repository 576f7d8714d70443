"""Check the documents: links lead somewhere, commands parse, every page is in the navigation, and
what is generated is current.

    scripts/documents.py

Prints one line a fault and exits with 1 where there is one.
"""

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT)]

import yaml  # noqa: E402

from prunescope.engine.cli.main import parsed  # noqa: E402
from scripts import cli_page, glossary, results  # noqa: E402

DOCS = PROJECT / "docs"
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:python -m engine|prunescope) +([a-z].*)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that headings get."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in HEADING.findall(text)
    }


def broken_links(path: Path, text: str) -> Iterator[str]:
    """Links to files and headings that are not there; the network is not asked."""
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = path if not name else (path.parent / name)
        if not file.exists():
            yield f"{path.name} links to {target}, which is not there"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text("utf-8")):
            yield f"{path.name} links to the heading {target}, which is not there"


def commands_in(text: str) -> Iterator[str]:
    """The commands of shell blocks, with their continuation lines joined."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if match := COMMAND.search(line.split("  #")[0]):
                yield match[1].strip()


def refused_commands(path: Path, text: str) -> Iterator[str]:
    """Commands that the parser does not take."""
    for command in commands_in(text):
        words = shlex.split(re.split(r" (?:&&|[|]|>+) ", command)[0], comments=True)
        if any("…" in word or word == "..." for word in words):
            continue  # an outline
        complaint = io.StringIO()
        try:
            with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
                parsed(words)
        except SystemExit as end:
            if end.code:
                yield f"{path.name}: `{command}` is refused: {complaint.getvalue().strip()}"


def navigation() -> Iterator[str]:
    """The pages that the site's navigation names, in its order."""

    def pages(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        for part in entry.values() if isinstance(entry, dict) else entry:
            if not isinstance(entry, str):
                yield from pages(part)

    # mkdocs.yml names Python functions by a tag that only mkdocs reads
    text = re.sub(r"!!python/name:\S+", "", (PROJECT / "mkdocs.yml").read_text("utf-8"))
    yield from pages(yaml.safe_load(text)["nav"])


def navigation_faults() -> Iterator[str]:
    """Pages that the navigation lacks, and names in it that are no page."""
    listed = set(navigation())
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    yield from (f"mkdocs.yml does not name docs/{name}" for name in sorted(pages - listed))
    yield from (f"mkdocs.yml names docs/{name}, which is not there" for name in listed - pages)


def stale_pages() -> Iterator[str]:
    """Generated pages that differ from what they are made of."""
    yield from (f"{name} is out of date; run scripts/results.py" for name in results.stale())
    if glossary.PAGE.read_text(encoding="utf-8") != glossary.render():
        yield "docs/glossary.md is out of date; run scripts/glossary.py"
    if cli_page.PAGE.read_text(encoding="utf-8") != cli_page.reference():
        yield "docs/cli.md is out of date; run scripts/cli_page.py"


def faults_of(path: Path) -> Iterator[str]:
    """What is wrong in one document."""
    text = path.read_text(encoding="utf-8")
    yield from broken_links(path, text)
    yield from refused_commands(path, text)
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield f"{path.name} does not end with one line break"


def faults() -> Iterator[str]:
    """Everything that is wrong, a line each."""
    for path in DOCUMENTS:
        yield from faults_of(path)
    yield from navigation_faults()
    yield from stale_pages()


def main() -> int:
    """Print the faults."""
    lines = list(faults())
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())

"""What the shipped studies say in short: questions with answers, as the About page shows them.

`scripts/results.py` writes the file together with docs/RESULTS.md, from the same sentences.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from prunescope.engine.errors import StoreError
from prunescope.engine.paths import BUNDLED

FILE = BUNDLED / "findings.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """A question, and what the studies answer; bold marks a difference that is significant."""

    question: str
    answers: tuple[str, ...]  # Markdown, one sentence or two each


def read_findings(path: Path = FILE) -> tuple[Finding, ...]:
    """The findings of the shipped studies; none without the file. Raises StoreError for a file that
    is damaged.
    """
    if not path.is_file():
        return ()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(
            Finding(str(entry["question"]), tuple(map(str, entry["answers"]))) for entry in entries
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} is damaged ({type(error).__name__}); write it with scripts/results.py."
        ) from error


def write_findings(findings: Iterable[Finding], path: Path = FILE) -> None:
    """Write the file that `read_findings` reads."""
    path.write_text(findings_text(findings), encoding="utf-8")


def findings_text(findings: Iterable[Finding]) -> str:
    """The findings as the file holds them."""
    entries = [asdict(finding) for finding in findings]
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"

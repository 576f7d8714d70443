"""docs/cli.md, from the commands themselves: `scripts/cli_page.py` writes it."""

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT)]

from prunescope.engine.cli.reference import reference  # noqa: E402

PAGE = PROJECT / "docs" / "cli.md"


def main() -> None:
    """Write the page."""
    PAGE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()

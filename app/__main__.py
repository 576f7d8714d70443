"""Serve the dashboard: `python -m prunescope.app`, with Streamlit's options after it.

What the first page needs is imported and computed before the server listens, so that a newcomer
does not wait for it.
"""

import sys
from pathlib import Path

from streamlit.web import cli

from prunescope.app.screens.explore import details  # noqa: F401 – the longest imports of a page
from prunescope.app.screens.explore.ahead import compute_ahead

MAIN = Path(__file__).with_name("main.py")

if __name__ == "__main__":
    compute_ahead()
    sys.argv = ["streamlit", "run", str(MAIN), *sys.argv[1:]]
    cli.main()

"""Serve the dashboard: `python -m prunescope.app`, with Streamlit's options after it.

What the first page needs is imported and computed before the server listens, so that a newcomer
does not wait for it.
"""

import logging
import sys
from pathlib import Path

from streamlit.web import cli

MAIN = Path(__file__).with_name("main.py")


def prepare() -> None:
    """Import and compute what the first page needs."""
    caches = logging.getLogger("streamlit.runtime.caching.cache_data_api")
    caches.disabled = True  # they warn that there is no server yet
    from prunescope.app.screens.explore import details  # noqa: F401 – the longest imports of a page
    from prunescope.app.screens.explore.ahead import compute_ahead

    compute_ahead()
    caches.disabled = False


if __name__ == "__main__":
    prepare()
    sys.argv = ["streamlit", "run", str(MAIN), *sys.argv[1:]]
    cli.main()

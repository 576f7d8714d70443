"""Serve the dashboard: `python -m prunescope.app`, with Streamlit's options after it.

What the first page needs is imported before the server listens, so that a newcomer does not wait
for it.
"""

import sys
from pathlib import Path

from streamlit.web import cli

# the longest imports of a first page: pandas, Plotly, the store
from prunescope.app.screens.explore import details, first_screen  # noqa: F401

MAIN = Path(__file__).with_name("main.py")

if __name__ == "__main__":
    sys.argv = ["streamlit", "run", str(MAIN), *sys.argv[1:]]
    cli.main()

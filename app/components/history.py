"""One entry of the browser's history for each page, however often its view changes.

Streamlit adds an entry with every change of the address, so that after twenty moves of a slider the
Back button would do nothing twenty times over: the address is written, and not read while a page is
open. A change on the same page replaces the entry instead.
"""

from pathlib import Path

from prunescope.app.components.browser_component import browser_component

FOLDER = str(Path(__file__).parent)


def one_entry_a_page() -> None:
    """Call it on every page."""
    browser_component(FOLDER, "history")(key="history")

"""The browser's side of the navigation: one entry of its history for each page, and a drawer that
closes.

Streamlit adds an entry with every change of the address, so that after twenty moves of a slider the
Back button would do nothing twenty times over: the address is written, and not read while a page is
open. A change on the same page replaces the entry instead. Streamlit's own `bind="query-params"`
replaces too, but a component such as the slider cannot be bound, and a list of studies would be
bound to its labels. On a phone, Streamlit leaves the drawer open over the page that was chosen.
"""

from pathlib import Path

from prunescope.app.components.browser_component import browser_component

FOLDER = str(Path(__file__).parent)


def navigation() -> None:
    """Call it on every page."""
    browser_component(FOLDER, "navigation")(key="navigation")

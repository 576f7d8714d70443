"""Pages of the dashboard as tests open them."""

from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

MAIN = str(Path(__file__).resolve().parents[2] / "app" / "main.py")
ADDRESSES = {"explore": "", "averages": "dense", "ood": "bias"}  # where they differ from the name


def app_at(name: str, query: dict[str, Any] | None = None, timeout: float = 300) -> AppTest:
    """The dashboard at a page, not yet run.

    `AppTest.switch_page` knows a page's address only after a run, and a first run would be one of
    another page, so the hash of the address is set here.
    """
    app = AppTest.from_file(MAIN, default_timeout=timeout)
    for key, value in (query or {}).items():
        app.query_params[key] = value
    if name != "explore":
        app._page_hash = calc_hash(ADDRESSES.get(name, name))
    return app

"""The dashboard's entry point: `scripts/run`, or `streamlit run app/main.py`."""

import sys
from pathlib import Path

import streamlit as st

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:  # Streamlit puts only this file's folder on the path
    sys.path.insert(0, ROOT)

from prunescope.app.components.history import one_entry_a_page  # noqa: E402
from prunescope.app.components.tour import tour  # noqa: E402
from prunescope.app.state import address  # noqa: E402
from prunescope.app.state.resources import dark  # noqa: E402

STYLE = Path(__file__).with_name("main.css")
COLOURS = {  # faint text and text on the accent colour, on a light and on a dark page
    False: ":root { --ps-faint: #5C646E; --ps-on-accent: #FFFFFF; }",
    True: ":root { --ps-faint: #A3ABB6; --ps-on-accent: #14171C; }",
}
Pages = dict[str, tuple[str, str | None]]  # folder of the page: title, address
SECTIONS: dict[str, Pages] = {
    "Explore": {
        "explore": ("Explore", None),
        "layers": ("Layers", "layers"),
        "attack": ("Attack", "attack"),
        "compare": ("Compare", "compare"),
    },
    "Your models": {
        "check": ("Check my model", "check"),
        "studies": ("Studies", "studies"),
    },
    "Evidence": {
        "averages": ("Robust dense", "dense"),
        "ood": ("Bias robustness", "bias"),
        "about": ("About", "about"),
    },
}

st.set_page_config(page_title="PruneScope", layout="wide", initial_sidebar_state="collapsed")
st.html(f"<style>{COLOURS[dark()]}\n{STYLE.read_text(encoding='utf-8')}</style>")
page = st.navigation(
    [
        st.Page(f"screens/{name}/page.py", title=title, url_path=path, default=path is None)
        for pages in SECTIONS.values()
        for name, (title, path) in pages.items()
    ],
    position="top",
)
address.enter(page.url_path)
one_entry_a_page()
tour()
page.run()

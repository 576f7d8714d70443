"""The dashboard as Streamlit runs it: `scripts/run`, or `streamlit run app/main.py`."""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent
# In a checkout: Streamlit puts only this file's folder on the path
if (ROOT / "prunescope").is_dir() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from prunescope.app.components.navigation import navigation  # noqa: E402
from prunescope.app.state import address  # noqa: E402
from prunescope.app.state.resources import dark  # noqa: E402

STYLE = Path(__file__).with_name("main.css")
LOGO = Path(__file__).with_name("logo.svg")
COLOURS = {  # on a light and on a dark page: faint text, text on the accent colour, accent, text
    False: ("#5C646E", "#FFFFFF", "#AE4C10", "#1F2328"),
    True: ("#A3ABB6", "#14171C", "#F0935A", "#E8EAED"),
}
Pages = dict[str, tuple[str, str | None]]  # folder of the page: title, address
SECTIONS: dict[str, Pages] = {
    "Explore": {
        "explore": ("Explore", None),
        "layers": ("Layers", "layers"),
        "attack": ("Attack", "attack"),
        "compare": ("Compare", "compare"),
        "figure": ("Figure", "figure"),
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


def style() -> str:
    """The style of all pages, in the colours of the theme."""
    faint, on_accent, accent, _ = COLOURS[dark()]
    colours = f"--ps-faint: {faint}; --ps-on-accent: {on_accent}; --ps-accent: {accent};"
    return f":root {{ {colours} }}\n{STYLE.read_text(encoding='utf-8')}\n{_section_marks()}"


def _section_marks() -> str:
    """A line before each section's first page in the bar, its name above it in a phone's drawer.

    Sections of Streamlit's own would be menus in the bar, with the pages out of sight.
    """
    first = {name: next(iter(pages.values()))[1] or "" for name, pages in SECTIONS.items()}
    bar = [f'.rc-overflow-item:has(a[href$="/{path}"])' for path in list(first.values())[1:]]
    drawer = [
        f'[data-testid="stSidebarNavItems"] li:has(a[href$="/{path}"])::before '
        f'{{ content: "{name}" / ""; }}'
        for name, path in first.items()
    ]
    return f"{', '.join(bar)} {{ border-left: 1px solid var(--ps-line); }}\n" + "\n".join(drawer)


def logo() -> str:
    """The product's name with its sign, in the colours of the theme."""
    _, _, accent, text = COLOURS[dark()]
    drawing = LOGO.read_text(encoding="utf-8")
    return drawing.replace(COLOURS[False][2], accent).replace(COLOURS[False][3], text)


st.set_page_config(page_title="PruneScope", layout="wide", initial_sidebar_state="collapsed")
st.logo(logo(), size="large")
st.html(f"<style>{style()}</style>")
page = st.navigation(
    [
        st.Page(f"screens/{name}/page.py", title=title, url_path=path, default=path is None)
        for pages in SECTIONS.values()
        for name, (title, path) in pages.items()
    ],
    position="top",
)
st.set_page_config(page_title=f"{page.title} · PruneScope")
address.enter(page.url_path)
navigation()
try:
    page.run()
finally:
    address.loaded()

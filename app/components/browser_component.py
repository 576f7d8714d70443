"""Components that live in the browser, from files: `name.html`, `name.css` and `name.js` of one
folder, and its `common.js` before each script, as components cannot import from each other.
"""

from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer


@st.cache_resource(show_spinner=False)
def browser_component(folder: str, name: str, isolated: bool = True) -> ComponentRenderer:
    """The component `prunescope_<name>`; an isolated one has styles of its own and no others."""
    files = {kind: Path(folder, f"{name}.{kind}") for kind in ("html", "css", "js")}
    texts = {
        kind: path.read_text(encoding="utf-8") for kind, path in files.items() if path.exists()
    }
    if "js" in texts and (common := Path(folder, "common.js")).exists():
        texts["js"] = common.read_text(encoding="utf-8") + texts["js"]
    return st.components.v2.component(f"prunescope_{name}", isolate_styles=isolated, **texts)

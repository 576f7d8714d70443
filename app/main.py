"""The dashboard's entry point: `scripts/run`, or `streamlit run app/main.py`."""

import sys
from pathlib import Path

import streamlit as st

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:  # Streamlit puts only this file's folder on the path
    sys.path.insert(0, ROOT)

st.set_page_config(page_title="PruneScope", layout="wide", initial_sidebar_state="collapsed")
st.html("""<style>
.stMainBlockContainer { padding-top: 3.5rem; padding-bottom: 3rem; }
[data-testid="stLayoutWrapper"]:has(> .st-key-dock), .st-key-dock { position: sticky; top: 3.2rem; z-index: 20; }
</style>""")
pages = [
    st.Page("screens/explore.py", title="Explore", default=True),
    st.Page("screens/layers.py", title="Layers", url_path="layers"),
    st.Page("screens/studies.py", title="Studies"),
    st.Page("screens/dense.py", title="Robust dense", url_path="dense"),
    st.Page("screens/subnetworks.py", title="Bias robustness", url_path="bias"),
    st.Page("screens/about.py", title="About"),
]
st.navigation(pages, position="top").run()

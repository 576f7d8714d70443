"""The dashboard's entry point: `scripts/run`, or `streamlit run app/main.py`."""

import sys
from pathlib import Path

import streamlit as st

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:  # Streamlit puts only this file's folder on the path
    sys.path.insert(0, ROOT)

from prunescope.app.components.tour import tour  # noqa: E402
from prunescope.app.state import address  # noqa: E402
from prunescope.app.state.history import one_entry_a_page  # noqa: E402

st.set_page_config(page_title="PruneScope", layout="wide", initial_sidebar_state="collapsed")
faint, on_accent = (
    ("#A3ABB6", "#14171C") if st.context.theme.type == "dark" else ("#5C646E", "#FFFFFF")
)
st.html(f"""<style>
@media (min-width: 2400px) {{  /* a wall */
  html {{ font-size: 24px; }}
  .js-plotly-plot text, #js-plotly-tester text {{ font-size: 16px !important; }}
}}
@media (min-width: 3400px) {{ html {{ font-size: 30px; }} }}
.katex-display {{ overflow-x: auto; overflow-y: hidden; }}
@media (max-width: 640px) {{ .katex-display {{ font-size: .8em; }} }}
.stMainBlockContainer {{ padding-top: 4.25rem; padding-bottom: 3rem; }}
[data-testid="stLayoutWrapper"]:has(> .st-key-dock), .st-key-dock {{ position: sticky; top: 3.75rem; z-index: 20; }}
[data-testid="stHeading"] h2 {{ font-size: 1.75rem; padding: .5rem 0 1rem; }}
[data-testid="stCaptionContainer"] {{ opacity: 1; }}
[data-testid="stCaptionContainer"] p {{ color: {faint}; }}
[data-testid="stBaseButton-primary"]:not(:disabled) p {{ color: {on_accent}; }}
[data-testid="stMultiSelect"] [data-tag-index] * {{ color: {on_accent} !important; }}
</style>""")
pages = [
    st.Page("screens/explore/page.py", title="Explore", default=True),
    st.Page("screens/layers/page.py", title="Layers", url_path="layers"),
    st.Page("screens/attack/page.py", title="Attack", url_path="attack"),
    st.Page("screens/compare/page.py", title="Compare", url_path="compare"),
    st.Page("screens/studies/page.py", title="Studies", url_path="studies"),
    st.Page("screens/averages/page.py", title="Robust dense", url_path="dense"),
    st.Page("screens/ood/page.py", title="Bias robustness", url_path="bias"),
    st.Page("screens/about/page.py", title="About", url_path="about"),
]
page = st.navigation(pages, position="top")
address.enter(page.url_path)
one_entry_a_page()
tour()
page.run()

"""One entry of the browser's history for each page, however often its view changes.

Streamlit adds an entry with every change of the address, so that after twenty moves of a slider the
Back button would do nothing twenty times over: the address is written, and not read while a page is
open. A change on the same page replaces the entry instead.
"""

import streamlit as st

JS = """
export default function ({ parentElement }) {
  const root = parentElement.getRootNode();
  const holder = (root.host || parentElement).closest('[data-testid="stElementContainer"]');
  if (holder) { holder.style.display = "none"; }
  if (Object.hasOwn(window.history, "pushState")) { return; }
  const push = window.history.pushState.bind(window.history);
  window.history.pushState = (state, title, url) => {
    const same = new URL(url ?? "", document.location.href).pathname === document.location.pathname;
    return same ? window.history.replaceState(state, title, url) : push(state, title, url);
  };
}
"""


@st.cache_resource
def _component():  # type: ignore[no-untyped-def]
    return st.components.v2.component("prunescope_history", html="<span hidden></span>", js=JS)


def one_entry_a_page() -> None:
    """Call it on every page."""
    _component()(key="history")

"""The first-visit tour: three steps in a strip above the page, dismissed once and for all in this
browser.

It lives in the browser alone: what was seen is kept in its local storage, so the server need not
know who comes again.
"""

import streamlit as st

STEPS = (
    (
        "Slide",
        "On Explore, drag the sparsity slider or use the arrow keys: accuracy, accuracy under "
        "attack and the error of "
        "every layer answer it. Solid marks are measured, hollow ones lie between two measured "
        "levels.",
    ),
    (
        "Attack",
        "On Attack, type a sentence and watch one attack work on the dense model and on up to "
        "three sparse ones, word by "
        "word, with the same candidates and the same seed.",
    ),
    (
        "Compare, and take it with you",
        "On Compare, pin a baseline and see who is ahead and which examples flip. Every chart and "
        "table can be exported, and the address carries what you see.",
    ),
)
HTML = """<section hidden aria-label="A short tour"><p class="count" aria-live="polite"></p>
<div><p class="title"></p><p class="words"></p></div>
<div class="buttons"><button class="back">Back</button><button class="next">Next</button
><button class="close">Close</button></div></section>"""
CSS = """
section { display: flex; gap: 20px; align-items: center; flex-wrap: wrap; padding: 12px 18px; border-radius: 8px;
  font-family: var(--st-font); color: var(--st-text-color); background: var(--st-secondary-background-color);
  border-left: 4px solid var(--st-primary-color); }
section[hidden] { display: none; }
section > div:nth-of-type(1) { flex: 1 1 320px; }
p { margin: 0; font-size: 0.9rem; line-height: 1.5; }
.title { font-size: 1rem; margin-bottom: 2px; font-weight: 600; }
.count { white-space: nowrap; }
.buttons { display: flex; gap: 6px; }
button { font: inherit; font-size: 0.85rem; color: inherit; background: transparent; border: 1px solid var(--st-border-color);
  border-radius: 6px; padding: 4px 12px; cursor: pointer; }
button:hover, button:focus-visible { border-color: var(--st-primary-color); outline: 2px solid var(--st-primary-color); }
button[hidden] { display: none; }
"""
JS = """
const KEY = "prunescope-tour";
const read = (store, key) => { try { return store.getItem(key); } catch { return null; } };
const keep = (store, key, value) => { try { store.setItem(key, value); } catch { /* shown again next time */ } };
export default function ({ data, parentElement }) {
  const of = (selector) => parentElement.querySelector(selector);
  const section = of("section"), root = parentElement.getRootNode();
  const holder = (root.host || parentElement).closest('[data-testid="stElementContainer"]');
  if (data.again && read(sessionStorage, KEY) !== String(data.again)) {
    keep(sessionStorage, KEY, String(data.again));
    keep(localStorage, KEY, "0");
  }
  let step = read(localStorage, KEY);
  const show = () => {
    const over = step === "seen";
    section.hidden = over;
    if (holder) { holder.style.display = over ? "none" : ""; }
    if (over) { return; }
    const place = Math.min(Number(step) || 0, data.steps.length - 1), last = place === data.steps.length - 1;
    of(".count").textContent = `${place + 1} of ${data.steps.length}`;
    of(".title").textContent = data.steps[place][0];
    of(".words").textContent = data.steps[place][1];
    of(".back").hidden = place === 0;
    of(".next").hidden = last;
    of(".close").textContent = last ? "Done" : "Close";
  };
  const go = (value) => { step = String(value); keep(localStorage, KEY, step); show(); };
  of(".next").onclick = () => go((Number(step) || 0) + 1);
  of(".back").onclick = () => go((Number(step) || 0) - 1);
  of(".close").onclick = () => go("seen");
  section.onkeydown = (event) => { if (event.key === "Escape") { go("seen"); } };
  show();
}
"""


@st.cache_resource
def _component():  # type: ignore[no-untyped-def]
    return st.components.v2.component("prunescope_tour", html=HTML, css=CSS, js=JS)


def tour() -> None:
    """The strip, for browsers that have not closed it yet, or where it was asked for again."""
    _component()(
        data={
            "steps": [list(step) for step in STEPS],
            "again": st.session_state.get("tour-again", 0),
        },
        key="tour",
    )


def again() -> None:
    """A button that shows the tour once more."""
    if st.button("Show the tour again", key="tour-button"):
        st.session_state["tour-again"] = st.session_state.get("tour-again", 0) + 1
        st.rerun()

"""What a person chooses of the figure and of the table, kept in the address."""

from collections.abc import Callable, Sequence

import streamlit as st

from prunescope import engine
from prunescope.app.charts.paper_figure import MEASURES
from prunescope.app.state import address
from prunescope.engine.reading import glossary
from prunescope.engine.reading.verdicts import percent

USUAL_MEASURES = ("acc", "aua")
USUAL_SPARSITIES = (0.0, 0.5, 0.75, 0.875)
MOST_COLUMNS = 4  # of a table, unless more are picked


def pick_measures(studies: Sequence[engine.Study]) -> list[str]:
    """The measures of figure and table, of those that a study has."""
    offered = [name for name in MEASURES if any(_has(study, name) for study in studies)]
    usual = [name for name in USUAL_MEASURES if name in offered]
    return _several(
        "Measures", "measures", offered, usual, lambda name: glossary.measure(name).symbol
    )


def pick_sparsities(studies: Sequence[engine.Study]) -> list[float]:
    """The columns of the table, of what was measured; the selected sparsity among them."""
    shares = sorted({level.sparsity for study in studies for level in study.levels})
    shared = [share for share in shares if all(study.level(share) for study in studies)] or shares
    usual = [share for share in USUAL_SPARSITIES if share in shares] or shared[:MOST_COLUMNS]
    selected = address.sparsity(studies[0]) / 100
    chosen = sorted({*usual, *(share for share in shares if abs(share - selected) < 1e-9)})
    texts = _several(
        "Sparsities of the table",
        "sparsities",
        [f"{100 * share:g}" for share in shares],
        [f"{100 * share:g}" for share in chosen],
        lambda text: percent(float(text) / 100) if float(text) else "dense",
    )
    return [share for share in shares if f"{100 * share:g}" in texts]


def _has(study: engine.Study, name: str) -> bool:
    return name in ("cls_error", "size") or any(getattr(level, name) for level in study.levels)


def _several(
    title: str,
    name: str,
    offered: list[str],
    usual: list[str],
    text: Callable[[str], str],
) -> list[str]:
    """Pills of which several may be on; what is as usual stays out of the address."""
    key = f"figure-{name}"
    linked = [part for part in address.read(name).split(",") if part in offered] or usual
    if st.session_state.get(f"{key}-offered") != offered:
        st.session_state[key], st.session_state[f"{key}-offered"] = linked, offered
    st.session_state.setdefault(key, linked)
    picked = st.pills(title, offered, selection_mode="multi", key=key, format_func=text, wrap=True)
    ordered = [part for part in offered if part in picked]
    address.write(name, ",".join(ordered), ",".join(usual))
    return ordered

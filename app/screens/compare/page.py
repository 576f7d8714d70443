"""Compare: studies and methods in one table, the Pareto front of robustness against sparsity or
size, and the examples that flip between two models.
"""

import streamlit as st

from prunescope import engine
from prunescope.app.charts import compare as charts
from prunescope.app.components.empty_state import studies_or_stop
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.components.shared_slider import pick_sparsity, safe_track
from prunescope.app.components.study_picker import open_studies, pick_studies
from prunescope.app.screens.compare.flips import flips
from prunescope.app.screens.compare.front import front
from prunescope.app.screens.compare.link import take_up, view
from prunescope.app.screens.compare.table import table
from prunescope.app.state import address
from prunescope.app.state.resources import safe_sparsity, signature
from prunescope.engine.reading import commands, series


def main() -> None:
    """Draw the page."""
    stored, heads = studies_or_stop("There is nothing to compare.")
    linked = address.entered()
    notices = take_up(linked) if linked is not None else []
    header = page_header("Compare", 3, title_width=2)
    with header.controls[0]:
        names = dict(zip((head.key for head in heads), engine.short_names(heads), strict=True))
        keys, of_link = pick_studies(heads, charts.MOST, names)
        studies, warnings = open_studies(keys)
    show_notices([*stored.notices, *warnings], [*of_link, *notices])
    if not studies:
        st.info("Pick at least one study that has a measured level.")
        return
    first = studies[0]
    safe = safe_sparsity(first.key, signature(first.key), engine.TOLERANCE)
    track = safe_track(safe if len(first.levels) > 1 else None)
    sparsity = pick_sparsity(studies, series.stops(studies), track) / 100
    base = table(studies, sparsity)
    front(studies)
    a, b = flips(studies, sparsity, base)
    with st.expander("Reproduce these numbers on the command line"):
        lines = [commands.repeat_command(study, [sparsity]) for study in studies]
        st.code(commands.shell(*lines), language="sh", wrap_lines=True)
    address.write_own(view(base, a, b))


main()

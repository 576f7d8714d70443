"""A chart, and under it or under a table one menu: Download.

Every file is made on the server, and only when its button is pressed: a figure is drawn anew from
the chart itself, so it has no cursor and needs neither this page nor its browser.
"""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from prunescope.app.charts.names import file_name
from prunescope.app.charts.style import CONFIG
from prunescope.app.components.export_menu.formats import (
    DATA,
    FIGURE,
    TABLE,
    About,
    Drawing,
    Format,
    Source,
    file_of,
)

if TYPE_CHECKING:
    from prunescope.app.charts.paper import Style


def chart(figure: go.Figure, key: str, description: str) -> None:
    """A chart of the page's own look; `description` is for those who do not see it."""
    st.session_state.setdefault("charts", {})[key] = (figure, description)
    st.plotly_chart(figure, key=key, config=CONFIG, theme=None, alt=description)


def export_bar(
    chart: str, name: str, frame: pd.DataFrame, about: About, figure: Drawing | None = None
) -> None:
    """The menu of the chart whose key is `chart`; `frame` is the data behind it, `about` where that
    comes from. `figure` stands in for a chart that is not drawn by `chart` above.
    """
    own, title = st.session_state.get("charts", {}).get(chart, (None, name))
    source = Source(frame, about, title if figure is None else name, figure or own)
    _menu(f"export-{chart}", {"Figure": FIGURE, "Data": DATA}, name, source)


def table_bar(name: str, frame: pd.DataFrame, about: About) -> None:
    """The menu of a table. `name` is the file's and must be the page's only one."""
    _menu(f"table-{name}", {"Table": TABLE}, name, Source(frame, about, name))


@st.fragment
def _menu(key: str, groups: dict[str, tuple[Format, ...]], name: str, source: Source) -> None:
    menu = st.popover(
        "Download", icon=":material/download:", type="tertiary", key=key, on_change="rerun"
    )
    if not menu.open:  # most menus are never opened: their buttons cost nothing
        return
    with menu:
        for title, formats in groups.items():
            if len(groups) > 1:
                st.caption(title)
            with st.container(horizontal=True, gap="small"):
                for kind in formats:
                    download(kind, f"{key}-{kind.kind}", name, source)


def download(
    kind: Format, key: str, name: str, source: Source, style: "Style | None" = None
) -> None:
    """One button; its file is made when it is pressed."""
    st.download_button(
        kind.title,
        data=partial(file_of, kind.kind, source, style),
        file_name=file_name(name, source.about, kind.ending),
        mime=kind.mime,
        on_click="ignore",
        key=key,
    )

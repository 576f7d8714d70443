"""Studies: what runs and waits, and what the store holds."""

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain
from prunescope.app.components.job_card import run_action
from prunescope.app.components.notices import show_error, show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.components.study_picker import unfinished_sentence
from prunescope.app.screens.studies.queue import queue_panel
from prunescope.app.state.limits import closed, public
from prunescope.app.state.resources import store
from prunescope.engine.reading.titles import method_title

SHOWN = 25  # stored studies without scrolling


def main() -> None:
    """Draw the page."""
    page_header("Studies")
    view = store()
    rows = sorted(engine.study_rows(view), key=_order)
    show_notices(view.notices)
    busy = queue_panel()
    if not closed("starting, importing and deleting studies are"):
        st.page_link(
            "screens/check/page.py", label="Start a study", icon=":material/arrow_forward:"
        )
    st.header("In the store", anchor=False)
    if rows:
        _table(view, rows)
    else:
        st.info(_no_study(busy))
    if not public():
        _sizes(view)
        _import(view)


def _no_study(busy: bool) -> str:
    if public():
        return "No study yet."
    if busy:
        return "No study yet. Start one, or wait for the one that runs."
    return "No study yet. Start one; its levels appear as they come."


def _order(row: engine.StudyRow) -> tuple[bool, float]:
    """The user's own come first, the newest on top; the others keep their order."""
    own = row.layer == "user"
    return not own, -row.modified if own else 0.0


def _table(view: engine.Store, rows: list[engine.StudyRow]) -> None:
    states = engine.unfinished(view, [row.key for row in rows if not row.levels])
    names = engine.study_names(rows)
    frame = pd.DataFrame(
        [_line(row, name, states.get(row.key)) for row, name in zip(rows, names, strict=True)]
    )
    if not any(name.more for name in names):
        frame = frame.drop(columns="differs in")
    picked = st.dataframe(
        frame,
        hide_index=True,
        key=f"stored-{len(rows)}",
        on_select="rerun",
        selection_mode="single-row",
        height=35 * (min(len(rows), SHOWN) + 1) + 3,
        column_config={
            "data": st.column_config.TextColumn(width=150),
            "method": st.column_config.TextColumn(width=190),  # every method's name in full
        },
    )
    chosen = picked.selection.rows  # of these very rows: a study that goes or comes ends the choice
    if not chosen or chosen[0] >= len(rows):
        st.caption("Choose a study in the first column to see its answer, export or delete it.")
        return
    row = rows[chosen[0]]
    _actions(view, row)
    if (state := states.get(row.key)) is not None:
        st.info(plain(f"This study {unfinished_sentence(state)}"))


def _line(
    row: engine.StudyRow, name: engine.StudyName, state: engine.Unfinished | None
) -> dict[str, object]:
    about, span = row.about, [100 * level["sparsity"] for level in row.levels]
    written = f"{datetime.fromtimestamp(row.modified):%Y-%m-%d %H:%M}"
    return {
        "model": name.model,
        "data": name.data,
        "method": method_title(about),
        "attack": _attack(about),
        "levels": len(row.levels),
        "sparsity": _span(span) if span else state.state if state else "",
        "differs in": name.more,
        "storage": "pinned" if row.pinned else row.layer,
        "written": written if row.layer == "user" else "",  # others have their checkout's time
    }


def _attack(about: dict[str, Any]) -> str:
    if about["attack"] == "none":
        return "none"
    return f"{engine.attack_title(about['attack'])}, {about['counts']['attacked']} attacked"


def _span(span: list[float]) -> str:
    return f"{span[0]:g}%" if len(span) == 1 else f"{span[0]:g}–{span[-1]:g}%"


def _actions(view: engine.Store, row: engine.StudyRow) -> None:
    with st.container(horizontal=True, key="actions"):
        if st.button("Show the answer", key="answer", type="primary", disabled=not row.levels):
            st.switch_page("screens/check/page.py", query_params={"study": row.key[:12]})
        if st.button("Open in Explore", key="explore", disabled=not row.levels):
            st.switch_page("screens/explore/page.py", query_params={"study": row.key[:12]})
        st.download_button(
            "Export as a file",
            lambda: engine.packed_study(view, row.key),
            f"{row.key[:12]}.prunescope",
            "application/zip",
            on_click="ignore",
            key="export",
        )
        if row.layer == "user" and not public():
            if st.button(
                "Unpin" if row.pinned else "Pin",
                key="pin",
                help="A pinned study is never cleaned or deleted",
            ):
                run_action(lambda: engine.pin_study(view, row.key, not row.pinned))
            with st.popover(
                "Delete", disabled=row.pinned, help="Unpin it first" if row.pinned else None
            ):
                st.text(
                    f"This removes {len(row.levels)} measured levels for good. Export the study "
                    "first to keep a copy."
                )
                if st.button("Delete for good", key="delete", type="primary"):
                    run_action(lambda: engine.remove_study(view, row.key))
    if row.layer != "user":
        st.caption(f"This study is {row.layer} and cannot be deleted here.")


def _sizes(view: engine.Store) -> None:
    sizes = engine.store_sizes(view)
    parts = [
        f"{name} {size / 1e6:.1f} MB"
        for name, size in sizes.items()
        if name != "total" and size >= 50_000
    ]
    st.caption(
        plain(
            f"{view.root} holds {sizes['total'] / 1e6:.1f} MB"
            + (f": {', '.join(parts)}. " if parts else ". ")
            + "Delete studies to make room."
        )
    )


def _import(view: engine.Store) -> None:
    with st.expander("Import a study from a file"):
        file = st.file_uploader(
            "A file that Export wrote", type=["prunescope", "zip"], key="import"
        )
        if file is None:
            return
        if st.button("Import", key="take-in", type="primary"):
            try:
                study, new = engine.import_study(view, file.getvalue())
            except engine.PruneScopeError as error:
                show_error(error)
                return
            st.session_state["taken"] = (
                f"{study.about['model']} on {study.about['data']}: {new} new levels."
            )
            st.rerun()
    if imported := st.session_state.pop("taken", None):
        st.success(plain(imported))


main()

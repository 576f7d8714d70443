"""A table of evaluation examples, of which one click opens a row on the attack page."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st

from prunescope.app.state import address
from prunescope.engine import Study
from prunescope.engine.reading import flips

HINT = "Tick a row to open it on the attack page."


def examples(
    table: pd.DataFrame,
    key: str,
    config: dict[str, Any],
    on_tick: Callable[[], None] | Literal["rerun"] = "rerun",
) -> int | None:
    """Draw the table, which has a column `row`; the evaluation row that is ticked, if one is."""
    st.dataframe(
        table,
        hide_index=True,
        key=key,
        on_select=on_tick,
        selection_mode="single-row",
        placeholder="–",
        column_config=config,
    )
    return ticked(table, key)


def ticked(table: pd.DataFrame, key: str) -> int | None:
    """The evaluation row that is ticked in the table with this key; None where none is."""
    positions = (st.session_state.get(key) or {}).get("selection", {}).get("rows", [])
    return int(table["row"].iloc[positions[0]]) if positions and positions[0] < len(table) else None


def open_on_attack(levels: Sequence[tuple[Study, float]], row: int | None) -> None:
    """Go to the attack page with a row of the evaluation set of the first level's study; stay where
    there is none.
    """
    if row is not None:
        address.hand_over("attack", flips.on_attack(levels, row))
        # without an address, which would overwrite this page's in the history
        st.switch_page("screens/attack/page.py")

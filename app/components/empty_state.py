"""What a page shows while the store holds no study."""

from collections.abc import Sequence

import streamlit as st

from prunescope.app.components.notices import show_notices
from prunescope.app.state.limits import public


def no_study(warnings: Sequence[str], purpose: str = "") -> None:
    """Say that there is no study yet and how to get the first; `purpose` is a sentence on what this
    page needs one for.
    """
    st.header("No study yet", anchor=False)
    if purpose:
        st.text(purpose)
    if not public():
        st.text("The first one takes a minute or two with the settings of the form.")
        st.page_link(
            "screens/studies/page.py", label="Start a study", icon=":material/arrow_forward:"
        )
    show_notices(warnings)

"""Pages without anything to show: say how to get the first study, set of members or table."""

from collections.abc import Sequence

import streamlit as st

from prunescope import engine
from prunescope.app.components.notices import show_notices
from prunescope.app.state.limits import public
from prunescope.app.state.resources import store
from prunescope.engine.reading import commands


def studies_or_stop(purpose: str = "") -> tuple[engine.Store, list[engine.Study]]:
    """The store and its studies; a page without any shows `no_study` and ends here."""
    view = store()
    studies = view.studies()
    if not studies:
        no_study(view.notices, purpose)
        st.stop()
    return view, studies


def made_by_command(text: str, command: commands.Command) -> None:
    """Say that there is nothing yet, with the command line that makes it."""
    st.text(text)
    st.code(commands.shell(command), language="sh")


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
            "screens/check/page.py", label="Check my model", icon=":material/arrow_forward:"
        )
    show_notices(warnings)

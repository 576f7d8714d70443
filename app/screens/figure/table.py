"""The table beside the figure: as it reads, and as LaTeX, Markdown and CSV."""

from functools import partial

import streamlit as st

from prunescope import engine
from prunescope.app.charts import files, paper_table
from prunescope.app.charts.names import file_name
from prunescope.app.charts.text import plain
from prunescope.app.screens.figure.options import pick_sparsities
from prunescope.engine.reading.papers import PaperTable
from prunescope.engine.reading.papers import paper_table as of_studies
from prunescope.engine.reading.provenance import provenance

NAME = "prunescope-table"
About = dict[str, object]


def table(studies: list[engine.Study], names: list[str]) -> None:
    """Its columns, the table, and its files."""
    st.header("Table", anchor=False)
    sparsities = pick_sparsities(studies)
    if not sparsities:
        st.info("Pick a sparsity.")
        return
    cells = of_studies(studies, sparsities, names)
    frame = paper_table.to_frame(cells)
    bold = paper_table.bold(cells)
    dressed = frame.style.apply(lambda _: bold, axis=None)
    st.dataframe(dressed, hide_index=True, height="content")
    st.caption(plain(" ".join((*cells.caption, *cells.marks))))
    about = provenance(studies)
    st.caption("Download the table")
    with st.container(horizontal=True, gap="small"):
        for title, ending, mime, make in (
            ("LaTeX", "tex", "text/x-tex", partial(_latex, cells, about)),
            ("Markdown", "md", "text/markdown", partial(_markdown, cells, about)),
            ("CSV", "csv", "text/csv", partial(_csv, cells, about)),
        ):
            st.download_button(
                title,
                data=make,
                file_name=file_name(NAME, about, ending),
                mime=mime,
                on_click="ignore",
                key=f"figure-table-{ending}",
            )
    with st.expander("LaTeX to copy"):
        st.code(paper_table.to_latex(cells, {}), language="latex", wrap_lines=True)


def _latex(cells: PaperTable, about: About) -> bytes:
    return paper_table.to_latex(cells, about).encode()


def _markdown(cells: PaperTable, about: About) -> bytes:
    return paper_table.to_markdown(cells, about).encode()


def _csv(cells: PaperTable, about: About) -> bytes:
    caption = " ".join((*cells.caption, *cells.marks))
    return files.to_csv(paper_table.to_frame(cells), {**about, "caption": caption}).encode()

"""A batch of examples, attacked in the background: its form, its progress, and its tables."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts import attack as charts
from prunescope.app.components import example_list, job_progress
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.text import plain
from prunescope.app.screens.attack.form import Form
from prunescope.app.state import address
from prunescope.app.state.limits import closed
from prunescope.app.state.resources import background, dark


def batch(form: Form, ready: bool) -> None:
    """The section: a button, then the job, then what came of it."""
    st.header("A batch in the background", anchor=False)
    if closed("attacking a batch is"):
        return
    left, middle, right = st.columns([1, 1, 3], vertical_alignment="bottom")
    count = int(left.number_input("Examples", 5, 500, 50, step=5, key="a-count"))
    if middle.button(
        f"Attack {count} examples", key="a-batch", width="stretch", disabled=not ready
    ):
        job_progress.begin("batch", background(), "batch", count=count, **form.request())
    right.caption(
        "Examples of the study's evaluation set, drawn with the seed as the study draws them; same "
        "victims, same "
        "attack. What the study or a batch has attacked before is not attacked again, and a batch "
        "that was stopped "
        "goes on. Sentences above can be attacked meanwhile."
    )
    job: engine.LiveJob | None = st.session_state.get("batch")
    if job is None:
        return
    if job.active:
        job_progress.watch(
            "batch",
            job,
            background(),
            0.5,
            lambda job: job_progress.bar(job, f"Batch of {job.arguments['count']}: "),
        )
    elif job_progress.ended(job) and job.result is not None:
        _result(job.result)


def _result(found: dict[str, Any]) -> None:
    for notice in found["notices"]:
        st.info(plain(notice))
    table = charts.batch_table(found)
    about = {
        "attack": found["attack"],
        "data": found["data"],
        "seed": found["seed"],
        "n": len(found["examples"]),
    }
    left, right = st.columns([2, 3], gap="medium")
    with left:
        chart(
            charts.batch_chart(table, dark()),
            "batch-rates",
            "Acc, Aua and Asr of every victim with their intervals",
        )
        export_bar("batch-rates", "prunescope-batch", table, about)
    with right:
        _rates(table, about)
        st.text(_told(found))
    _transfer(found, about)
    _examples(found, about)


def _rates(table: pd.DataFrame, about: dict[str, object]) -> None:
    form = st.column_config.NumberColumn
    percent = partial(form, format="%.1f %%")
    columns = ["victim", "acc", "aua", "asr", "queries", "words_changed", "similarity", "p_holm"]
    st.dataframe(
        table[[name for name in columns if name in table]],
        hide_index=True,
        placeholder="–",
        column_config={
            "acc": percent("Acc"),
            "aua": percent("Aua"),
            "asr": percent("Asr"),
            "queries": form("mean queries", format="%.1f"),
            "words_changed": form("words changed", format="%.1f %%"),
            "similarity": form(format="%.3f"),
            "p_holm": form(
                "p against dense",
                format="%.3g",
                help="McNemar's exact test on the examples that both get right without "
                "attack, adjusted by Holm's method.",
            ),
        },
    )
    table_bar("prunescope-batch-rates", table, about)


def _told(found: dict[str, Any]) -> str:
    first = found["victims"][0]["name"]
    lines = [
        f"{name} against {first}, on the {pair['first']['n']} that both get right: both hold "
        f"{pair['both_hold']}, only "
        f"{first} breaks {pair['only_first_breaks']}, only {name} breaks "
        f"{pair['only_second_breaks']}, both break "
        f"{pair['both_break']}; p = {pair['p_value']:.3g}."
        for name, pair in found["paired"].items()
    ]
    behind = (
        f", {found['of_study']} of them among those behind the study's curve"
        if found.get("of_study")
        else ""
    )
    return "\n".join([*lines, f"{len(found['examples'])} examples{behind}."])


def _transfer(found: dict[str, Any], about: dict[str, object]) -> None:
    with st.expander("Transfer: how much of what broke one breaks the others"):
        table = charts.batch_transfer(found)
        st.dataframe(table, hide_index=True)
        table_bar("prunescope-batch-transfer", table, about)
        st.caption(
            "Of the texts that broke the victim of a row, those that break the victim of a column, "
            "among the examples "
            "that both get right without attack."
        )


def _examples(found: dict[str, Any], about: dict[str, object]) -> None:
    names = [victim["name"] for victim in found["victims"]]
    with st.expander(f"The {len(found['examples'])} examples"):
        apart = st.toggle("Only where the victims differ", key="a-apart")
        table = pd.DataFrame(
            [
                {
                    "row": one["row"],
                    "label": found["label_names"][one["label"]],
                    **one["outcomes"],
                    "text": one["text"],
                    **{f"text found on {name}": one["found"].get(name) for name in names},
                }
                for one in found["examples"]
                if not apart or len(set(one["outcomes"].values())) > 1
            ]
        )
        if table.empty:
            st.text("There is none.")
            return
        st.caption("Tick a row to put it into the form above.")
        example_list.examples(table, "a-rows", {}, lambda: _open(found, table))
        table_bar("prunescope-batch-examples", table, about)


def _open(found: dict[str, Any], table: pd.DataFrame) -> None:
    """Put the example that was ticked into the form above, with the batch's victims, attack, seed
    and budget.
    """
    row, state = example_list.ticked(table, "a-rows"), st.session_state
    if row is None:
        return
    first, *others = found["victims"]
    budget = {name: f"{value:.10g}" for name, value in found["budget"].items() if value is not None}
    sparse = [f"{one['study'][:12]}@{one['sparsity']:g}" for one in others]
    tokens = {
        slot: state[slot].token for slot in ("attack", "batch") if state.get(slot) is not None
    }
    address.follow(
        {
            "study": first["study"][:12],
            "victims": " ".join(sparse),
            "attack": found["attack"],
            "row": str(row),
            "seed": str(found["seed"]),
            **budget,
            **{{"attack": "job"}.get(slot, slot): token for slot, token in tokens.items()},
        }
    )
    state["a-said"] = f"Row {row} of the batch is in the form; press Attack."

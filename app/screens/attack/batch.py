"""A batch of examples, attacked in the background: its form, its progress, and its tables."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from prunescope.app.charts import attack as charts
from prunescope.app.components import example_list, job_progress
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.notices import message
from prunescope.app.screens.attack.form import Form
from prunescope.app.state import address
from prunescope.app.state.limits import closed
from prunescope.app.state.resources import background, dark


def batch(form: Form) -> None:
    """The section: a button, then the job, then what came of it."""
    if closed("attacking a batch is"):
        return
    left, middle, right = st.columns([1, 1, 3], vertical_alignment="bottom")
    count = int(left.number_input("Examples", 5, 500, 50, step=5, key="a-count"))
    if middle.button(f"Attack {count} examples", key="a-batch", width="stretch"):
        job_progress.begin("batch", background(), "batch", count=count, **form.request())
    right.caption(
        "Examples of the study's evaluation set, sampled with the seed as the study samples them; "
        "same models, same attack. Stored outcomes of the study and of earlier batches are used "
        "again, and a batch that was stopped goes on. You can attack sentences above meanwhile."
    )
    job = job_progress.in_slot("batch")
    if job is None:
        return
    if job.active:
        title = f"Batch of {job.arguments['count']}: "
        job_progress.watch(
            "batch", job, background(), 0.5, lambda job: job_progress.bar(job, title)
        )
    elif job_progress.show_end(job) and job.result is not None:
        _result(job.result)


def _result(outcome: dict[str, Any]) -> None:
    for notice in outcome["notices"]:
        st.info(message(notice))
    table = charts.batch_table(outcome)
    about = {
        "attack": outcome["attack"],
        "data": outcome["data"],
        "seed": outcome["seed"],
        "n": len(outcome["examples"]),
    }
    left, right = st.columns([2, 3], gap="medium")
    with left:
        chart(
            charts.batch_chart(table, dark()),
            "batch-rates",
            "Acc, Aua and Asr of every model with their intervals",
        )
        export_bar("batch-rates", "prunescope-batch", table, about)
    with right:
        _rates(table, about)
        st.text(_pairs(outcome))
    _transfer(outcome, about)
    _examples(outcome, about)


def _rates(table: pd.DataFrame, about: dict[str, object]) -> None:
    form = st.column_config.NumberColumn
    percent = partial(form, format="%.1f%%")
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
            "words_changed": form("words changed", format="%.1f%%"),
            "similarity": form(format="%.3f"),
            "p_holm": form(
                "p vs dense",
                format="%.3g",
                help="McNemar's exact test on the examples that both get right without attack, "
                "adjusted by Holm's method.",
            ),
        },
    )
    table_bar("prunescope-batch-rates", table, about)


def _pairs(outcome: dict[str, Any]) -> str:
    first = outcome["victims"][0]["name"]
    lines = [
        f"{name} vs {first}, on the {pair['first']['n']} examples that both get right: both "
        f"withstand {pair['both_hold']}, only {first} fails {pair['only_first_breaks']}, only "
        f"{name} fails {pair['only_second_breaks']}, both fail {pair['both_break']}; "
        f"p = {pair['p_value']:.3g}."
        for name, pair in outcome["paired"].items()
    ]
    shared = outcome.get("of_study")
    behind = f", {shared} of them among those behind the study's curve" if shared else ""
    return "\n".join([*lines, f"{len(outcome['examples'])} examples{behind}."])


def _transfer(outcome: dict[str, Any], about: dict[str, object]) -> None:
    with st.expander("Transfer: how often a text that one model fails on fools the others"):
        table = charts.batch_transfer(outcome)
        st.dataframe(table, hide_index=True)
        table_bar("prunescope-batch-transfer", table, about)
        st.caption(
            "Of the adversarial texts found on the model of a row, those on which the model of a "
            "column fails too, among the examples that both get right without attack."
        )


def _examples(outcome: dict[str, Any], about: dict[str, object]) -> None:
    with st.expander(f"The {len(outcome['examples'])} examples"):
        table = _example_table(outcome, st.toggle("Only where the models differ", key="a-apart"))
        if table.empty:
            st.text("There is none.")
            return
        st.caption("Tick a row to put it into the form above.")
        example_list.examples(table, "a-rows", {}, lambda: _open(outcome, table))
        table_bar("prunescope-batch-examples", table, about)


def _example_table(outcome: dict[str, Any], differing: bool) -> pd.DataFrame:
    names = [victim["name"] for victim in outcome["victims"]]
    return pd.DataFrame(
        [
            {
                "row": example["row"],
                "label": outcome["label_names"][example["label"]],
                **{name: charts.verdict(example["outcomes"][name]) for name in names},
                "text": example["text"],
                **{f"text found on {name}": example["found"].get(name) for name in names},
            }
            for example in outcome["examples"]
            if not differing or len(set(example["outcomes"].values())) > 1
        ]
    )


def _open(outcome: dict[str, Any], table: pd.DataFrame) -> None:
    """Put the example that was ticked into the form above, with the batch's victims, attack, seed
    and budget.
    """
    row, state = example_list.ticked(table, "a-rows"), st.session_state
    if row is None:
        return
    first, *others = outcome["victims"]
    budget = outcome["budget"].items()
    jobs = {"job": job_progress.in_slot("attack"), "batch": job_progress.in_slot("batch")}
    address.follow(
        {
            "study": first["study"][:12],
            "victims": " ".join(f"{other['study'][:12]}@{other['sparsity']:g}" for other in others),
            "attack": outcome["attack"],
            "row": str(row),
            "seed": str(outcome["seed"]),
            **{name: f"{value:.10g}" for name, value in budget if value is not None},
            **{name: job.token for name, job in jobs.items() if job is not None},
        }
    )
    state["a-said"] = f"Row {row} of the batch is in the form; press Attack."

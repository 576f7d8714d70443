"""Robust dense models: the members of a recipe, and what averaging them does."""

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts import averages
from prunescope.app.components.export_menu import chart, export_bar
from prunescope.app.components.parts import notices_of
from prunescope.app.components.text import plain
from prunescope.app.state import address
from prunescope.app.state.resources import dark, store
from prunescope.engine.reading import commands

BY = {"uniform": "Uniform", "acc": "Greedy by Acc", "aua": "Greedy by Aua"}


def main() -> None:
    here = store()
    sets = engine.member_sets(here)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        st.title("Robust dense models", anchor=False)
    notices_of(here.notices)
    if not sets:
        st.text("No members yet. Train some with: python -m engine members --recipe FILE --data D")
        return
    there = {found.name if found.bundled else f"{found.name} · yours": found for found in sets}
    with right:
        found = there[
            address.chosen(
                st.selectbox,
                "Members",
                "members",
                list(there),
                next(iter(there)),
                format_func=lambda name: engine.data_title(name),
            )
        ]
    st.text(_sentence(found))
    one, two = st.columns([1, 1])
    with one:
        _members(found)
    with two:
        _average(found)
    _evaluated(found)
    _settings(found)
    with st.expander("Run this yourself: train such members, average them, and study the result"):
        st.code(commands.shell(*commands.member_commands(found)), language="sh", wrap_lines=True)


def _sentence(found: engine.MemberSet) -> str:
    judged = found.selection
    attack = engine.attack_title(judged["attack"])
    under = (
        f", {judged['attacked']} of them attacked with {attack}"
        if judged["attack"] != "none"
        else ""
    )
    base = "MiniLM" if found.base == "embedded" else found.base
    return (
        f"{len(found.members)} members fine-tuned from {base} on {found.training_rows:,} rows of "
        f"{engine.data_title(found.data)}, judged on {judged['n']} rows that none was trained "
        f"on{under}."
    )


def _members(found: engine.MemberSet) -> None:
    st.header("Members alone, and averaged", anchor=False)
    table = averages.judged_table(found)
    if table.empty:
        st.text("No member could be judged.")
        return
    chart(
        averages.members_chart(table, dark()),
        "dense-members",
        "Accuracy and accuracy under attack of every member and of the averages",
    )
    export_bar("dense-members", "prunescope-members", table, {"members": found.name})


def _average(found: engine.MemberSet) -> None:
    st.header("Averaging, step by step", anchor=False)
    if not found.averages:
        st.text("These members were not averaged yet: python -m engine average --members …")
        return
    there = list(found.averages)
    by = address.chosen(
        st.segmented_control,
        "Order",
        "by",
        there,
        there[-1],
        format_func=BY.__getitem__,
        required=True,
    )
    made = found.averages[by]
    table = averages.steps_table(made)
    chart(
        averages.steps_chart(table, "acc" if by == "acc" else "aua", dark()),
        "dense-steps",
        "Accuracy and accuracy under attack of the average after each member that was tried",
    )
    st.caption(_told(made))
    export_bar("dense-steps", f"prunescope-average-{by}", table, {"members": found.name, "by": by})


def _told(made: engine.MadeAverage) -> str:
    left = [step.member for step in made.steps if not step.taken]
    rule = (
        "All members are averaged, one after the other."
        if made.by == "uniform"
        else (
            f"Members are tried in falling order of {made.by.capitalize()}; one is kept where the "
            "average with it is at least as "
            "good. Hollow: left out."
        )
    )
    return plain(
        f"{rule} Averaged: {', '.join(made.ingredients)}."
        + (f" Left out: {', '.join(left)}." if left else "")
    )


def _evaluated(found: engine.MemberSet) -> None:
    if not found.evaluated or found.evaluation is None:
        return
    how, counts = found.evaluation, found.evaluation["counts"]
    st.header("On the evaluation rows, dense and pruned", anchor=False)
    table = averages.evaluated_table(found)
    chart(
        averages.evaluated_chart(table, dark()),
        "dense-evaluated",
        "Accuracy and accuracy under attack of members and averages, dense and pruned",
    )
    attack = engine.attack_title(how["attack"])
    st.caption(
        plain(
            f"{counts['evaluation']} evaluated, {counts['attacked']} attacked with {attack}; "
            "pruned with "
            f"{how['method']}, {counts['calibration']} calibration texts, seed {how['seed']}. "
            "Bars: 95 %."
        )
    )
    export_bar("dense-evaluated", "prunescope-members-evaluated", table, {"members": found.name})


def _settings(found: engine.MemberSet) -> None:
    with st.expander("How each member was trained"):
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "member": member.name,
                        "in the shipped average": member.averaged,
                        "adversarial": member.settings["adversarial"],
                        "learning rate": member.settings["learning_rate"],
                        "optimizer": member.settings.get("optimizer", "adamw"),
                        "epochs": member.settings["epochs"],
                        "batch": member.settings["batch_size"],
                        "weight decay": member.settings["weight_decay"],
                        "LoRA rank": member.settings["rank"],
                        "seed": member.settings["seed"],
                        "left out because": member.reason,
                    }
                    for member in found.members
                ]
            ),
            hide_index=True,
            column_config={"learning rate": st.column_config.NumberColumn(format="%.2g")},
        )
        if found.about:
            st.text(found.about)


main()

"""Robust dense models: the members of a recipe, and what averaging them does."""

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts import averages
from prunescope.app.charts.text import plain
from prunescope.app.components.empty_state import made_by_command
from prunescope.app.components.export_menu import chart, export_bar
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.state import address
from prunescope.app.state.resources import dark, store
from prunescope.engine.reading import commands
from prunescope.engine.reading.titles import method_name_title

INTERVALS = "Bars: 95% intervals; where they overlap, no difference is shown."
BY = {"uniform": "Uniform", "acc": "Greedy by Acc", "aua": "Greedy by Aua"}


def main() -> None:
    """Draw the page."""
    view = store()
    sets = engine.member_sets(view)
    header = page_header("Robust dense models", 2)
    show_notices(view.notices)
    if not sets:
        train = commands.command("members", "--recipe", "FILE", "--data", "D")
        made_by_command("No members yet. Members are trained on the command line:", train)
        return
    by_name = {
        member_set.name if member_set.bundled else f"{member_set.name} · yours": member_set
        for member_set in sets
    }
    with header.controls[0]:
        member_set = by_name[
            address.choose(
                st.selectbox,
                "Members",
                "members",
                list(by_name),
                next(iter(by_name)),
                format_func=engine.data_title,
            )
        ]
    st.text(_sentence(member_set))
    left, right = st.columns([1, 1])
    with left:
        _members(member_set)
    with right:
        _average(member_set)
    _evaluated(member_set)
    _settings(member_set)
    with st.expander("Reproduce: train such members, average them, and study the result"):
        lines = commands.member_commands(member_set)
        st.code(commands.shell(*lines), language="sh", wrap_lines=True)


def _sentence(member_set: engine.MemberSet) -> str:
    selection = member_set.selection
    attack = engine.attack_title(selection["attack"])
    attacked = (
        f", {selection['attacked']} of them attacked with {attack}"
        if selection["attack"] != "none"
        else ""
    )
    base = "MiniLM" if member_set.base == "embedded" else member_set.base
    return (
        f"{len(member_set.members)} members fine-tuned from {base} on "
        f"{member_set.training_rows:,} examples of {engine.data_title(member_set.data)}, selected "
        f"on {selection['n']} examples that none was trained on{attacked}."
    )


def _members(member_set: engine.MemberSet) -> None:
    st.header("Members alone, and averaged", anchor=False)
    table = averages.judged_table(member_set)
    if table.empty:
        st.text("No member could be evaluated.")
        return
    chart(
        averages.members_chart(table, dark()),
        "dense-members",
        "Accuracy and accuracy under attack of every member and of the averages",
    )
    st.caption(" ".join([INTERVALS, *_single_members(member_set)]))
    export_bar("dense-members", "prunescope-members", table, {"members": member_set.name})


def _single_members(member_set: engine.MemberSet) -> list[str]:
    """Which averages hold one member and so are none, a sentence each."""
    return [
        plain(
            f"The {averages.NAMES[average.by]} kept one member, {average.ingredients[0]}: it is "
            "that model."
        )
        for average in member_set.averages.values()
        if len(average.ingredients) == 1
    ]


def _average(member_set: engine.MemberSet) -> None:
    st.header("Averaging, step by step", anchor=False)
    if not member_set.averages:
        st.text("These members were not averaged yet.")
        return
    orders = list(member_set.averages)
    proper = [by for by in orders if len(member_set.averages[by].ingredients) > 1] or orders
    by = address.choose(
        st.segmented_control,
        "Order",
        "by",
        orders,
        proper[-1],
        format_func=BY.__getitem__,
        required=True,
    )
    average = member_set.averages[by]
    table = averages.steps_table(average)
    chart(
        averages.steps_chart(table, dark()),
        "dense-steps",
        "Accuracy and accuracy under attack of the average after each member that was tried",
    )
    st.caption(_averaged(average))
    about = {"members": member_set.name, "by": by}
    export_bar("dense-steps", f"prunescope-average-{by}", table, about)


def _averaged(average: engine.MadeAverage) -> str:
    """The rule of the average, and what it took and left out."""
    left_out = [step.member for step in average.steps if not step.taken]
    if average.by == "uniform":
        rule = "All members are averaged, one after the other."
    else:
        rule = (
            f"Members are tried in falling order of {average.by.capitalize()}; one is kept where "
            "the average with it is at least as good. Crosses: left out."
        )
    if len(average.ingredients) == 1:
        (member,) = average.ingredients
        return plain(
            f"{rule} No second member passed, so this is {member} itself and not an average."
        )
    rest = f" Left out: {', '.join(left_out)}." if left_out else ""
    return plain(f"{rule} Averaged: {', '.join(average.ingredients)}.{rest} {INTERVALS}")


def _evaluated(member_set: engine.MemberSet) -> None:
    if not member_set.evaluated or member_set.evaluation is None:
        return
    how, counts = member_set.evaluation, member_set.evaluation["counts"]
    st.header("On the evaluation set, dense and pruned", anchor=False)
    table = averages.evaluated_table(member_set)
    chart(
        averages.evaluated_chart(table, dark()),
        "dense-evaluated",
        "Accuracy and accuracy under attack of members and averages, dense and pruned",
    )
    attack = engine.attack_title(how["attack"])
    st.caption(
        plain(
            f"{counts['evaluation']} evaluated, {counts['attacked']} attacked with {attack}; "
            f"pruned with {method_name_title(how['method'])}, {counts['calibration']} calibration "
            f"texts, seed {how['seed']}. {INTERVALS}"
        )
    )
    export_bar(
        "dense-evaluated", "prunescope-members-evaluated", table, {"members": member_set.name}
    )


def _settings(member_set: engine.MemberSet) -> None:
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
                    for member in member_set.members
                ]
            ),
            hide_index=True,
            column_config={"learning rate": st.column_config.NumberColumn(format="%.2g")},
        )
        if member_set.about:
            st.text(member_set.about)


main()

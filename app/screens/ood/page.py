"""Bias robustness: subnetworks in and out of distribution against sparsity."""

import pandas as pd
import streamlit as st

from prunescope import engine
from prunescope.app.charts import subnetworks as charts
from prunescope.app.charts.text import plain, short
from prunescope.app.components.empty_state import made_by_command
from prunescope.app.components.export_menu import chart, export_bar, table_bar
from prunescope.app.components.notices import show_notices
from prunescope.app.components.page_header import page_header
from prunescope.app.state import address
from prunescope.app.state.resources import dark, store
from prunescope.engine.reading import commands, subnetworks

CHANCE = "Dotted: chance, answers at random. Crosses: models near chance in distribution."


def main() -> None:
    """Draw the page."""
    view = store()
    tables = [table for table in engine.subnetwork_tables(view) if table.runs]
    header = page_header("Bias robustness", 2)
    show_notices(view.notices)
    if not tables:
        train = commands.command("subnetworks", "--recipe", "nli-small", "--data", "DIR")
        made_by_command(
            "No table yet. Subnetworks are trained and evaluated on the command line:", train
        )
        return
    by_name = {_name(table): table for table in tables}
    titles = {_name(table): short(table.title + _owner(table)) for table in tables}
    with header.controls[0]:
        table = by_name[
            address.choose(
                st.selectbox,
                "Table",
                "table",
                list(by_name),
                _name(subnetworks.opening(tables)),
                format_func=titles.__getitem__,
            )
        ]
    st.text(_sentence(table))
    if sentences := subnetworks.chance_sentences(table):
        st.text(" ".join(sentences))
    if table.stand_in:
        st.info(plain(table.stand_in))
    spread = subnetworks.spread_table(table)
    _curves(table, spread)
    _gap_and_groups(table, spread)
    _differences(table)
    _table(table, spread)
    with st.expander("Reproduce"):
        lines = commands.subnetwork_commands(table)
        st.code(commands.shell(*lines), language="sh", wrap_lines=True)


def _owner(table: engine.SubnetworkTable) -> str:
    return "" if table.bundled else " · yours"


def _name(table: engine.SubnetworkTable) -> str:
    name: str = table.name
    return name + _owner(table)


def _about(table: engine.SubnetworkTable, **more: str) -> dict[str, object]:
    """Where numbers come from, for the head of an exported file."""
    return {
        "made by": "PruneScope",
        "table": table.name,
        "base": table.recipe.get("base", "embedded"),
        "seed": ", ".join(str(seed) for seed in sorted({run.seed for run in table.runs})),
        "stand-in": table.stand_in or "none",
        "rows": "; ".join(f"{count} {name}" for name, count in table.rows.items()),
        "unit": "percent; gap in points",
        "low and high": "95% interval of a single seed",
        **more,
    }


def _sentence(table: engine.SubnetworkTable) -> str:
    seeds = len({run.seed for run in table.runs})
    rows = ", ".join(
        f"{count:,} of {name}" for name, count in table.rows.items() if name != "train"
    )
    complete = len(table.runs) == table.planned
    progress = "" if complete else f" {len(table.runs)} of {table.planned} models are done so far."
    base = "MiniLM" if table.recipe.get("base", "embedded") == "embedded" else table.recipe["base"]
    return (
        f"{len(table.runs)} models of {base} trained on {table.rows['train']:,} examples, "
        f"{engine.pluralize(seeds, 'seed')}; evaluated on other examples: {rows}.{progress}"
    )


def _curves(table: engine.SubnetworkTable, spread: pd.DataFrame) -> None:
    st.header("In and out of distribution", anchor=False)
    names = subnetworks.panels(table)
    chart(
        charts.curves(charts.drawn(table, spread), names, dark()),
        "subnetworks-curves",
        "Figures in and out of distribution against sparsity, one line a method and loss",
    )
    kinds = {
        result.name: subnetworks.FIGURES[result.metric]
        for result in (table.runs[0].inside, *table.runs[0].outside)
    }
    figures = (
        ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        if len(set(kinds.values())) > 1
        else ("On every set: " + next(iter(kinds.values())))
    )
    seeds = len({run.seed for run in table.runs})
    bars = (
        "bars are one standard deviation over the seeds"
        if seeds > 1
        else "bars are 95% intervals of the one seed"
    )
    losses = {run.loss for run in table.runs}
    words = [
        f"{subnetworks.LOSSES[loss]}: {words}"
        for loss, words in subnetworks.SPELLED.items()
        if loss in losses
    ]
    words += ["IMP: iterative magnitude pruning"] * any(run.method == "imp" for run in table.runs)
    st.caption(plain(f"{figures}; {bars}. {'; '.join(words)}. {CHANCE}"))
    export_bar(
        "subnetworks-curves",
        f"prunescope-subnetworks-{table.name}",
        spread,
        _about(table),
    )


def _gap_and_groups(table: engine.SubnetworkTable, spread: pd.DataFrame) -> None:
    outside = subnetworks.sets_of(table)[1:]
    if not outside:
        return
    name = outside[0]
    if len(outside) > 1:
        name = address.choose(st.segmented_control, "Set", "set", outside, name, required=True)
    grouped = any(result.name == name and result.groups for result in table.runs[0].outside)
    left, right = st.columns([2, 3]) if grouped else (st.container(), st.container())
    with left:
        st.header("Generalization gap (ID − OOD)", anchor=False)
        chart(
            charts.gap_chart(charts.drawn(table, spread), name, dark()),
            "subnetworks-gap",
            "The gap between accuracy in and out of distribution against sparsity",
        )
        export_bar(
            "subnetworks-gap",
            f"prunescope-gap-{table.name}",
            subnetworks.gaps(spread, name),
            _about(table, set=name),
        )
        st.caption(
            "0: as good out of distribution as in it. Dotted: the gap of two models that answer by "
            "chance. Crosses: models near chance in distribution, whose gap means nothing."
        )
    with right:
        _groups(table, name)


def _groups(table: engine.SubnetworkTable, name: str) -> None:
    result = next(result for result in table.runs[0].outside if result.name == name)
    if not result.groups:
        return
    st.header("Accuracy by group", anchor=False)
    levels = sorted({run.sparsity for run in table.runs if run.sparsity})
    columns = list(result.groups)
    left, right = st.columns(2)
    with left:
        column = address.choose(
            st.segmented_control, "By", "column", columns, columns[0], required=True
        )
    level = 0.0
    if levels:
        shares = [f"{100 * share:g}" for share in levels]
        with right:
            share = address.choose(
                st.segmented_control,
                "Sparsity",
                "level",
                shares,
                shares[-1],
                required=True,
                format_func=lambda share: f"{share}%",
            )
        level = levels[shares.index(share)]
    groups = subnetworks.group_table(table, name, column, level)
    chart(
        charts.group_chart(groups, dark()),
        "subnetworks-groups",
        "Accuracy of every group of examples, one row a model",
    )
    chance = subnetworks.chances(table)[name]
    st.caption(f"Chance is {100 * chance:.0f}% on {plain(name)}.")
    export_bar(
        "subnetworks-groups", f"prunescope-groups-{table.name}", groups, _about(table, set=name)
    )


def _differences(table: engine.SubnetworkTable) -> None:
    names = subnetworks.sets_of(table)
    frames = {name: subnetworks.differences(table, name) for name in names}
    if all(frame.empty for frame in frames.values()):
        return
    st.header("One factor at a time", anchor=False)
    name = address.choose(st.segmented_control, "Set", "rows", names, names[-1], required=True)
    form = st.column_config.NumberColumn  # zeros replaced by zeros: a negative one reads as −0.0
    st.dataframe(
        frames[name].round(1).replace(0.0, 0.0),
        hide_index=True,
        column_config={
            "sparsity": form(format="%g%%"),
            "second": "model",
            "minus": "minus model",
            "difference": form(format="%+.1f"),
            "low": form("95% low", format="%+.1f"),
            "high": form("95% high", format="%+.1f"),
        },
    )
    table_bar(f"prunescope-differences-{table.name}", frames[name], _about(table, set=name))
    st.caption(
        "Accuracy of the first model minus the second's, in points, on the same examples and "
        "seeds; 95% intervals over the examples, not corrected for the number of pairs. n.s.: the "
        "interval holds zero."
    )


def _table(table: engine.SubnetworkTable, spread: pd.DataFrame) -> None:
    with st.expander("All figures"):
        st.dataframe(spread.round(2), hide_index=True)
        if table.bias:
            acc = table.bias["acc"]
            st.text(
                f"The bias model alone ({table.bias['features']} features, "
                f"{table.bias['rows']:,} examples) has an accuracy of "
                f"{engine.format_rate(acc['value'], acc['low'], acc['high'])}."
            )
        if table.about:
            st.text(table.about)


main()

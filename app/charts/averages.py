"""The charts of dense models: members against averages, and an average step by step. Pure
functions.
"""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prunescope.app.charts.palette import DENSE, SPARSE
from prunescope.app.charts.style import dressed
from prunescope.app.charts.text import for_chart
from prunescope.engine import MadeAverage, MemberSet, Rate

LEFT_OUT = "x-thin"
NAMES = {
    "uniform": "uniform average",
    "acc": "greedy average by Acc",
    "aua": "greedy average by Aua",
}
RATES = {"acc": ("Acc", "circle"), "aua": ("Aua", "square")}
COLOURS = {"acc": DENSE, "aua": SPARSE}  # they tell the measures apart, and claim nothing


def judged_table(member_set: MemberSet) -> pd.DataFrame:
    """One row a model: members in falling order of Aua, then the averages. Rates in percent."""
    members = [
        (member.name, "member", member.score)
        for member in member_set.members
        if member.score is not None
    ]
    members.sort(key=lambda row: -((row[2].aua or row[2].acc).value or 0))
    averages = [
        (average_name(average), "average", average.score)
        for average in member_set.averages.values()
    ]
    return pd.DataFrame(
        [
            {"model": name, "kind": kind, **_cells("acc", score.acc), **_cells("aua", score.aua)}
            for name, kind, score in (*members, *averages)
        ]
    )


def average_name(average: MadeAverage) -> str:
    """An average in words; one of a single member says that it is none."""
    if len(average.ingredients) > 1:
        return NAMES[average.by]
    return f"one member, by {average.by.capitalize()}"


def _cells(name: str, rate: Rate | None) -> dict[str, float | None]:
    if rate is None or rate.value is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_n": None}
    return {
        name: 100 * rate.value,
        f"{name}_low": 100 * rate.low,
        f"{name}_high": 100 * rate.high,
        f"{name}_n": rate.n,
    }


def members_chart(table: pd.DataFrame, dark: bool = False) -> go.Figure:
    """Acc and Aua of every model with intervals; averages large, members small and faint."""
    figure = go.Figure()
    for name, (label, marker) in RATES.items():
        colour = COLOURS[name]
        for kind, size, opacity in (("member", 8, 0.6), ("average", 11, 1.0)):
            part = table[(table["kind"] == kind) & table[name].notna()]
            if len(part):
                figure.add_scatter(
                    x=part[name],
                    y=part["model"],
                    mode="markers",
                    name=label,
                    marker={"symbol": marker, "size": size, "color": colour},
                    opacity=opacity,
                    legendgroup=label,
                    showlegend=kind == "average" or "average" not in set(table["kind"]),
                    error_x={
                        "type": "data",
                        "symmetric": False,
                        "array": part[f"{name}_high"] - part[name],
                        "arrayminus": part[name] - part[f"{name}_low"],
                        "color": colour,
                        "thickness": 1.4,
                        "width": 4,
                    },
                    customdata=part[[f"{name}_low", f"{name}_high", f"{name}_n"]].to_numpy(),
                    hovertemplate=f"%{{y}}: {label} %{{x:.1f}}% [%{{customdata[0]:.1f}}, "
                    "%{customdata[1]:.1f}], "
                    "n = %{customdata[2]}<extra></extra>",
                )
    figure.update_yaxes(
        autorange="reversed",
        showgrid=True,
        categoryorder="array",
        categoryarray=list(table["model"]),
        automargin=True,
    )
    figure.update_xaxes(
        range=[-2, 102], ticksuffix="%", dtick=20, title_text="rate, with 95% intervals"
    )
    return dressed(figure, dark, 120 + 34 * len(table))


def evaluated_table(member_set: MemberSet) -> pd.DataFrame:
    """Members and averages on the evaluation set: one row a model and sparsity."""
    names = {f"average-{by}": name for by, name in NAMES.items()} | {
        f"average-{average.by}": average_name(average) for average in member_set.averages.values()
    }
    return pd.DataFrame(
        [
            {
                "model": names.get(row.model, row.model),
                "sparsity": 100 * row.sparsity,
                **_cells("acc", row.score.acc),
                **_cells("aua", row.score.aua),
            }
            for row in member_set.evaluated
        ]
    )


def steps_table(average: MadeAverage) -> pd.DataFrame:
    """One row a decision, in the order in which members were tried."""
    return pd.DataFrame(
        [
            {
                "member": step.member,
                "kept": step.taken,
                **_cells("acc", step.score.acc),
                **_cells("aua", step.score.aua),
            }
            for step in average.steps
        ]
    )


def steps_chart(table: pd.DataFrame, dark: bool = False) -> go.Figure:
    """The average after each member that was tried; a cross where the member was left out."""
    figure = go.Figure()
    x = _numbered(table["member"])
    for name, (label, marker) in RATES.items():
        if table[name].isna().all():
            continue
        colour = COLOURS[name]
        figure.add_scatter(
            x=x,
            y=table[name],
            name=label,
            mode="markers",
            marker={
                "symbol": [marker if included else LEFT_OUT for included in table["kept"]],
                "size": 11,
                "color": colour,
                "line": {"width": 2, "color": colour},
            },
            error_y={
                "type": "data",
                "symmetric": False,
                "array": table[f"{name}_high"] - table[name],
                "arrayminus": table[name] - table[f"{name}_low"],
                "color": colour,
                "thickness": 1.4,
                "width": 4,
            },
            customdata=["taken" if included else "left out" for included in table["kept"]],
            hovertemplate=f"with %{{x}}: {label} %{{y:.1f}}%, %{{customdata}}<extra></extra>",
        )
        included = table["kept"].to_numpy()
        figure.add_scatter(
            x=[label for label, taken in zip(x, included, strict=True) if taken],
            y=table[name][included],
            mode="lines",
            line={"color": colour, "width": 2, "dash": "solid" if name == "acc" else "dash"},
            hoverinfo="skip",
            showlegend=False,
        )
    figure.update_yaxes(range=[0, 102], ticksuffix="%", dtick=20, title_text="rate of the average")
    figure.update_xaxes(
        showgrid=False,
        title_text="member tried, in this order",
        type="category",
        tickangle=0,
        automargin=True,
    )
    return dressed(figure, dark, 400)


def evaluated_chart(table: pd.DataFrame, dark: bool = False) -> go.Figure:
    """Acc and Aua of every model at every sparsity, models side by side; averages large, members
    small and faint.
    """
    sparsities = sorted(table["sparsity"].unique())
    figure = make_subplots(
        rows=1,
        cols=len(sparsities),
        shared_yaxes=True,
        horizontal_spacing=0.06,
        subplot_titles=["dense" if s == 0 else f"{s:g}%" for s in sparsities],
    )
    for column, sparsity in enumerate(sparsities, start=1):
        part = table[table["sparsity"] == sparsity]
        for name, (label, marker) in RATES.items():
            if part[name].isna().all():
                continue
            for row in part.to_dict("records"):
                colour, average = COLOURS[name], "average" in row["model"]
                figure.add_scatter(
                    x=[row[name]],
                    y=[row["model"]],
                    mode="markers",
                    name=label,
                    legendgroup=label,
                    showlegend=column == 1 and row["model"] == part["model"].iloc[0],
                    row=1,
                    col=column,
                    marker={"symbol": marker, "size": 11 if average else 8, "color": colour},
                    opacity=1.0 if average else 0.6,
                    error_x={
                        "type": "data",
                        "symmetric": False,
                        "array": [row[f"{name}_high"] - row[name]],
                        "arrayminus": [row[name] - row[f"{name}_low"]],
                        "color": colour,
                        "thickness": 1.4,
                        "width": 4,
                    },
                    hovertemplate=f"%{{y}}: {label} %{{x:.1f}}% [{row[f'{name}_low']:.1f}, "
                    f"{row[f'{name}_high']:.1f}], "
                    f"n = {row[f'{name}_n']}<extra></extra>",
                )
    figure.update_yaxes(autorange="reversed", showgrid=True, automargin=True)
    figure.update_xaxes(range=[-3, 103], dtick=50, tickangle=0, title_text="rate, %")
    figure = dressed(figure, dark, 150 + 32 * table["model"].nunique())
    return figure.update_layout(margin={"t": 76}, legend={"y": 1.22})


def _numbered(names: Sequence[str]) -> list[str]:
    return [f"{number}.<br>{for_chart(name)}" for number, name in enumerate(names, start=1)]

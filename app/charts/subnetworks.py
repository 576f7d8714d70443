"""The charts of subnetworks in and out of distribution. Pure functions: tables of runs in, data
frames and figures out.
"""

import itertools
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prunescope.app.charts.curves import dressed
from prunescope.app.charts.palette import DENSE, GREEN, GREY, OLIVE, PURPLE, SPARSE
from prunescope.engine import (
    Rate,
    Statistic,
    SubnetworkRun,
    SubnetworkTable,
    paired_difference,
    pluralize,
)

LOSSES = {"ce": "CE", "poe": "PoE", "reweight": "reweighting", "confreg": "ConfReg"}
SPELLED = {
    "ce": "cross-entropy",
    "poe": "product of experts",
    "confreg": "confidence regularisation",
}
METHODS = {
    "full": "full model",
    "mask": "mask training",
    "imp": "IMP",
    "hard-concrete": "hard-concrete masks",
    "isolated": "fine-tuned in isolation",
}
ADVERSARIAL = {"freelb": "FreeLB", "pgd": "PGD", "smart": "SMART"}
FIGURES = {
    "accuracy": "accuracy",
    "f1_weighted": "weighted F1",
    "f1_binary": "F1 of the positive class",
}
DASHES = {"ce": "dash", "poe": "solid", "reweight": "dot", "confreg": "dashdot"}
MARKERS = {
    "full": "star",
    "mask": "circle",
    "imp": "square",
    "hard-concrete": "diamond",
    "isolated": "triangle-up",
}
STEPS = {
    "gradual": "hexagon",
    "soft": "pentagon",
}  # of mask training, where it is not the plain one
ATTACKED = "under attack"
COLOURS = {"full": DENSE, "mask": SPARSE, "imp": GREY, "hard-concrete": PURPLE, "isolated": GREEN}


def series_name(run: SubnetworkRun) -> str:
    """What a person calls the cell of a run."""
    how = (
        f", {run.schedule}"
        if run.schedule != "fixed"
        else ", soft scores"
        if run.init == "soft"
        else ""
    )
    attacked = (
        ""
        if run.adversarial == "none"
        else f" + {ADVERSARIAL.get(run.adversarial, run.adversarial)}"
    )
    rewound = ", rewound" if run.rewind else ""
    return (
        f"{METHODS[run.method]}, "
        f"{LOSSES[run.loss]}{attacked}{how if run.method == 'mask' else ''}{rewound}"
    )


def sets_of(table: SubnetworkTable) -> list[str]:
    """The inside set, then the others."""
    return (
        [table.runs[0].inside.name, *(other.name for other in table.runs[0].outside)]
        if table.runs
        else []
    )


def panels(table: SubnetworkTable) -> list[str]:
    """The sets, and accuracy under attack where it was measured."""
    return sets_of(table) + ([ATTACKED] if any(run.aua is not None for run in table.runs) else [])


def _marker(run: SubnetworkRun) -> str:
    if run.method != "mask" or (run.schedule == "fixed" and run.init == "hard"):
        return MARKERS[run.method]
    return STEPS["gradual" if run.schedule != "fixed" else "soft"]


def spread_table(table: SubnetworkTable) -> pd.DataFrame:
    """One row a cell, sparsity and set: mean and standard deviation over the seeds, in percent;
    the gap ID − OOD likewise.

    With one seed `sd` is missing and `low` and `high` hold that model's own 95% interval.
    """
    groups: dict[tuple[str, float], list[SubnetworkRun]] = {}
    for run in table.runs:
        groups.setdefault((run.cell, run.sparsity), []).append(run)
    rows = []
    for (cell, sparsity), runs in groups.items():
        for number, name in enumerate(sets_of(table)):
            results = [(run.inside, *run.outside)[number] for run in runs]
            gaps_known = [run.gaps[name] for run in runs if name in run.gaps]
            gaps = [100 * (gap.value or 0) for gap in gaps_known]
            lone = gaps_known[0] if len(gaps_known) == 1 else None
            rows.append(
                {
                    **_row(cell, sparsity, runs),
                    "set": name,
                    "figure": FIGURES[results[0].metric],
                    **_spread([result.headline for result in results]),
                    "gap": mean(gaps) if gaps else None,
                    "gap_sd": stdev(gaps) if len(gaps) > 1 else None,
                    "gap_low": 100 * lone.low if lone else None,
                    "gap_high": 100 * lone.high if lone else None,
                }
            )
        attacked = [run.aua for run in runs if run.aua is not None]
        if attacked:
            rows.append(
                {
                    **_row(cell, sparsity, runs),
                    "set": ATTACKED,
                    "figure": "accuracy",
                    **_spread(attacked),
                }
            )
    return pd.DataFrame(rows)


def _row(cell: str, sparsity: float, runs: list[SubnetworkRun]) -> dict[str, Any]:
    first = runs[0]
    fill = "-open" if first.loss == "ce" and first.adversarial == "none" else ""
    dash = DASHES[first.loss] if first.adversarial == "none" else "longdash"
    return {
        "cell": cell,
        "series": series_name(first),
        "method": first.method,
        "marker": _marker(first) + fill,
        "dash": dash,
        "colour": OLIVE if first.rewind else COLOURS[first.method],
        "sparsity": 100 * sparsity,
    }


def _spread(results: Sequence[Statistic | Rate]) -> dict[str, Any]:
    values = [100 * (result.value or 0) for result in results]
    lone = results[0] if len(results) == 1 else None
    return {
        "mean": mean(values),
        "sd": stdev(values) if len(values) > 1 else None,
        "low": 100 * lone.low if lone else None,
        "high": 100 * lone.high if lone else None,
        "seeds": len(results),
        "n": results[0].n,
    }


def curves(spread: pd.DataFrame, names: list[str], dark: bool = False) -> go.Figure:
    """Each set's figure against sparsity, sets side by side; bars are one standard deviation, or a
    single seed's interval.
    """
    figure = make_subplots(
        rows=1, cols=len(names), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=names
    )
    for column, name in enumerate(names, start=1):
        part = spread[spread["set"] == name]
        for series in dict.fromkeys(part["series"]):
            _series(figure, part[part["series"] == series].sort_values("sparsity"), series, column)
    figure.update_annotations(font_size=13)  # the sets' names, side by side on a phone too
    figure.update_xaxes(**_axis(spread))
    figure.update_yaxes(ticksuffix="%")
    figure.update_yaxes(title_text=" or ".join(dict.fromkeys(spread["figure"])), col=1)
    return dressed(figure, dark, 500, 126).update_layout(legend={"y": 1.1})


def _series(figure: go.Figure, part: pd.DataFrame, series: str, column: int) -> None:
    colour = part["colour"].iloc[0]
    lone = len(part) == 1
    up = [row.sd if row.seeds > 1 else row.high - row.mean for row in part.itertuples()]
    down = [row.sd if row.seeds > 1 else row.mean - row.low for row in part.itertuples()]
    figure.add_scatter(
        x=part["sparsity"],
        y=part["mean"],
        name=series,
        legendgroup=series,
        showlegend=column == 1,
        row=1,
        col=column,
        mode="markers" if lone else "lines+markers",
        line={"color": colour, "dash": part["dash"].iloc[0], "width": 2.2},
        marker={
            "symbol": part["marker"].iloc[0],
            "size": 11 if lone else 8,
            "color": colour,
            "line": {"width": 2, "color": colour},
        },
        error_y={
            "type": "data",
            "symmetric": False,
            "array": up,
            "arrayminus": down,
            "color": colour,
            "thickness": 1.2,
            "width": 4,
        },
        customdata=[
            [
                pluralize(row.seeds, "seed")
                if row.seeds > 1
                else f"[{row.low:.1f}, {row.high:.1f}]",
                row.n,
            ]
            for row in part.itertuples()
        ],
        hovertemplate=f"{series}: %{{y:.1f}}% at %{{x:g}}%, %{{customdata[0]}}, n = "
        "%{customdata[1]}<extra></extra>",
    )


def _axis(spread: pd.DataFrame) -> dict[str, Any]:
    """Sparsity, with a tick at each level as long as they have room."""
    levels = sorted({0.0, *spread["sparsity"]})
    apart = all(high - low >= 10 for low, high in itertools.pairwise(levels))
    ticks = levels if apart else [0, 20, 40, 60, 80]
    return {"range": [-4, 100], "tickvals": ticks, "showgrid": False, "title_text": "sparsity, %"}


def plain_table(spread: pd.DataFrame) -> pd.DataFrame:
    """The figures without what draws them."""
    return spread.drop(columns=["method", "marker", "dash", "colour"])


def gaps(spread: pd.DataFrame, name: str) -> pd.DataFrame:
    """The numbers of the chart of gaps: one row a cell and sparsity, in points."""
    rows = spread[(spread["set"] == name) & spread["gap"].notna()]
    return rows[
        ["cell", "series", "sparsity", "set", "gap", "gap_sd", "gap_low", "gap_high", "seeds", "n"]
    ]


def gap_chart(spread: pd.DataFrame, name: str, dark: bool = False) -> go.Figure:
    """ID − OOD against sparsity; a model at 0 is as good out of distribution as in it."""
    figure, part = go.Figure(), spread[(spread["set"] == name) & spread["gap"].notna()]
    for series in dict.fromkeys(part["series"]):
        rows = part[part["series"] == series].sort_values("sparsity")
        colour = rows["colour"].iloc[0]
        up = [row.gap_sd if row.seeds > 1 else row.gap_high - row.gap for row in rows.itertuples()]
        down = [row.gap_sd if row.seeds > 1 else row.gap - row.gap_low for row in rows.itertuples()]
        figure.add_scatter(
            x=rows["sparsity"],
            y=rows["gap"],
            name=series,
            mode="markers" if len(rows) == 1 else "lines+markers",
            line={"color": colour, "dash": rows["dash"].iloc[0], "width": 2.2},
            marker={
                "symbol": rows["marker"].iloc[0],
                "size": 9,
                "color": colour,
                "line": {"width": 2, "color": colour},
            },
            error_y={
                "type": "data",
                "symmetric": False,
                "array": up,
                "arrayminus": down,
                "color": colour,
                "thickness": 1.2,
                "width": 4,
            },
            hovertemplate=f"{series}: %{{y:.1f}} points at %{{x:g}}%<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(**_axis(spread))
    figure.update_yaxes(title_text=f"ID − {name}, points")
    return dressed(figure, dark, 380).update_layout(showlegend=False)


def group_table(table: SubnetworkTable, name: str, column: str, sparsity: float) -> pd.DataFrame:
    """Accuracy of every group of a set at one sparsity and of the full models: mean over seeds, in
    percent, with the spread.
    """
    groups: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for run in table.runs:
        if run.sparsity not in (0.0, sparsity):
            continue
        for other in run.outside:
            for value, rate in (other.groups.get(column, {}) if other.name == name else {}).items():
                groups.setdefault((series_name(run), value), []).append(
                    (100 * (rate.value or 0), rate.n)
                )
    return pd.DataFrame(
        [
            {
                "series": series,
                "group": value.replace("_", " "),
                "mean": mean(rate for rate, _ in cells),
                "n": cells[0][1],
                "sd": stdev(rate for rate, _ in cells) if len(cells) > 1 else None,
                "seeds": len(cells),
            }
            for (series, value), cells in groups.items()
        ]
    )


def group_chart(groups: pd.DataFrame, dark: bool = False) -> go.Figure:
    """Groups as columns, models as rows, accuracy as colour and as a number."""
    grid = groups.pivot(index="series", columns="group", values="mean")
    grid = grid.loc[list(dict.fromkeys(groups["series"]))]
    figure = go.Figure(
        go.Heatmap(
            z=grid.to_numpy(),
            x=list(grid.columns),
            y=list(grid.index),
            zmin=0,
            zmax=100,
            colorscale="Cividis",
            xgap=2,
            ygap=2,
            text=grid.map(lambda value: "" if pd.isna(value) else f"{value:.0f}").to_numpy(),
            texttemplate="%{text}",
            hovertemplate="%{y}, %{x}: %{z:.1f}%<extra></extra>",
            showscale=False,
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, ticks="")
    few = len(grid.columns) <= 3
    figure.update_xaxes(tickangle=0 if few else -35, showgrid=False, automargin=True, ticks="")
    height = 150 + 34 * len(grid) + (60 if len(grid.columns) > 6 else 0)
    return dressed(figure, dark, height - 70 * few, 28, 110 - 70 * few)


def _one_change(first: SubnetworkRun, second: SubnetworkRun) -> bool:
    """Whether two cells differ in one factor. How scores begin and sparsity grows means something
    between masks alone.
    """
    ways = ("loss", "schedule", "init") if first.method == second.method == "mask" else ("loss",)
    ways = (*ways, "adversarial", "rewind")
    if first.method != second.method and "gradual" in (first.schedule, second.schedule):
        return False
    differing = [way for way in ("method", *ways) if getattr(first, way) != getattr(second, way)]
    return len(differing) == 1


def differences(table: SubnetworkTable, name: str) -> pd.DataFrame:
    """Pairs of cells that differ in one thing, at every sparsity: accuracy of the second minus the
    first's on the same rows.
    """
    runs: dict[tuple[str, float], dict[int, SubnetworkRun]] = {}
    for run in table.runs:
        runs.setdefault((run.cell, run.sparsity), {})[run.seed] = run
    rows = []
    for (cell, sparsity), first in runs.items():
        for (other, level), second in runs.items():
            if (
                cell >= other
                or level != sparsity
                or not (seeds := sorted(set(first) & set(second)))
            ):
                continue
            first_run, second_run = first[seeds[0]], second[seeds[0]]
            if not _one_change(first_run, second_run):
                continue
            pairs = [
                [
                    next(s for s in (r.inside, *r.outside) if s.name == name).correct
                    for r in (first[seed], second[seed])
                ]
                for seed in seeds
            ]
            difference = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
            if difference.value is not None:
                rows.append(
                    {
                        "sparsity": 100 * sparsity,
                        "second": series_name(second_run),
                        "minus": series_name(first_run),
                        "difference": 100 * difference.value,
                        "low": 100 * difference.low,
                        "high": 100 * difference.high,
                        "n": difference.n,
                        "seeds": len(seeds),
                    }
                )
    return pd.DataFrame(rows)

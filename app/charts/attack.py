"""The charts of an attack on several victims: plain values in, data frame or Plotly figure out.
Pure functions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from prunescope import engine
from prunescope.app.charts.palette import DENSE, GREEN, PAGE, PURPLE, SPARSE
from prunescope.app.charts.style import dressed
from prunescope.app.charts.text import for_chart


class Look(NamedTuple):
    """How a victim is drawn; `sign` is its marker as a character."""

    colour: str
    dash: str
    marker: str
    sign: str


LOOKS = (  # of the victims in their order
    Look(DENSE, "solid", "circle", "●"),
    Look(SPARSE, "dash", "square", "■"),
    Look(PURPLE, "dot", "diamond", "◆"),
    Look(GREEN, "dashdot", "triangle-up", "▲"),
)
VERDICTS = {  # of a stored outcome, in words
    "broken": "fails",
    "held": "withstands",
    "skipped": "wrong without any attack",
    "exhausted": "withstands within the budget",
}
MOST_WORDS = 30  # columns of the map of words
Path = Sequence[Sequence[float]]


def verdict(outcome: str) -> str:
    """A stored outcome in words; one that a newer version wrote as it is."""
    return VERDICTS.get(outcome, outcome)


def paths(sides: Mapping[str, Path], label: str | None, dark: bool = False) -> go.Figure:
    """Confidence in the true label by query: the lowest the attack on each victim has reached so
    far.

    `label` is None while nobody knows which it is.
    """
    figure, target = go.Figure(), "the true label" if label is None else f"“{for_chart(label)}”"
    for (name, points), (colour, dash, marker, _) in zip(sides.items(), LOOKS, strict=False):
        figure.add_scatter(
            x=[point[0] for point in points],
            y=[100 * point[1] for point in points],
            name=for_chart(name),
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2.4, "shape": "hv"},
            marker={"symbol": marker, "size": 7, "color": colour},
            hovertemplate=f"{for_chart(name)}: %{{y:.1f}}% after %{{x}} queries<extra></extra>",
        )
    figure.update_yaxes(
        range=[0, 103], ticksuffix="%", title_text=f"confidence in {target}", dtick=25
    )
    figure.update_xaxes(title_text="queries", rangemode="tozero", showgrid=False)
    return _dressed(figure, dark, 280, True)


def paths_table(sides: Mapping[str, Path]) -> pd.DataFrame:
    """One row a step of a victim."""
    return pd.DataFrame(
        [
            (name, int(queries), lowest)
            for name, points in sides.items()
            for queries, lowest in points
        ],
        columns=["victim", "queries", "lowest_confidence"],
    )


def importance_table(importance: Mapping[str, Any]) -> pd.DataFrame:
    """One row a word, one column a victim: points of confidence that leaving the word out costs."""
    falls = {name: [100 * fall for fall in row] for name, row in importance["falls"].items()}
    return pd.DataFrame(
        {"place": range(1, len(importance["words"]) + 1), "word": importance["words"], **falls}
    )


def importance_map(table: pd.DataFrame, dark: bool = False) -> go.Figure:
    """Words in their order against victims; of a long text the words that matter most to any
    victim.
    """
    names = list(table.columns[2:])
    strength = table[names].abs().max(axis=1)
    words = table.loc[sorted(strength.nlargest(MOST_WORDS).index)]
    most = max(float(strength.max()), 0.1)
    figure = go.Figure(
        go.Heatmap(
            z=words[names].to_numpy().T,
            x=list(range(len(words))),
            y=[for_chart(name) for name in names],
            zmin=-most,
            zmax=most,
            colorscale=[[0, DENSE], [0.5, PAGE[dark]], [1, SPARSE]],
            xgap=2,
            ygap=2,
            showscale=False,
            text=_points(words[names], 0 if most >= 20 else 1),
            texttemplate="%{text}",
            textfont={"size": 11, "color": "#1F2328" if not dark else "#E8EAED"},
            customdata=[[for_chart(word) for word in words["word"]]] * len(names),
            hovertemplate="%{y}: without “%{customdata}” %{z:+.2f} points<extra></extra>",
        )
    )
    figure.update_xaxes(
        tickvals=list(range(len(words))),
        ticktext=[for_chart(_cut(word)) for word in words["word"]],
        tickangle=-50,
        showgrid=False,
        side="bottom",
        ticks="",
    )
    figure.update_yaxes(
        autorange="reversed", showgrid=False, type="category", automargin=True, ticks=""
    )
    return _dressed(figure, dark, 110 + 34 * len(names), False).update_layout(
        margin={"l": 8, "b": 84, "t": 28}
    )


def _points(falls: pd.DataFrame, digits: int) -> list[list[str]]:
    """The numbers in the cells, one row a victim; what rounds to nothing is 0 without a sign."""
    least = 0.5 * 10**-digits
    return [
        [f"{value:+.{digits}f}" if abs(value) >= least else "0" for value in falls[name]]
        for name in falls
    ]


def _cut(word: str) -> str:
    return word if len(word) <= 14 else f"{word[:13]}…"


def transfer_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Source × target in words: every victim's answer to every adversarial text."""
    names = [side["name"] for side in result["sides"]]
    rows = []
    for source, answers in result["transfer"].items():
        cells = {
            name: f"{'fails' if answers[name]['label'] != result['truth'] else 'withstands'} · "
            f"{100 * answers[name]['truth']:.0f}%"
            for name in names
        }
        rows.append({"text found on": source, **cells})
    return pd.DataFrame(rows, columns=["text found on", *names])


def sides_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """One row a victim: what came of the attack, confidences in percent."""
    names = result["label_names"]
    return pd.DataFrame(
        [
            {
                "victim": side["name"],
                "sparsity": 100 * side["sparsity"],
                "outcome": verdict(side["outcome"]),
                "label before": _named(names, side["label_before"]),
                "label after": _named(names, side["label_after"]),
                "confidence before": 100 * side["truth_before"],
                "confidence after": 100 * side["truth_after"],
                "queries": side["queries"],
                "words changed": side["words_changed"],
                "words": side["words"],
                "similarity": side["similarity"],
                "text": side["perturbed"],
            }
            for side in result["sides"]
        ]
    )


def _named(names: Sequence[str], label: int) -> str:
    return names[label] if 0 <= label < len(names) else "–"


def batch_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """One row a victim: rates in percent with their intervals, means, and the paired test against
    the first victim.
    """
    rows = []
    for victim in result["victims"]:
        row: dict[str, Any] = {
            "victim": victim["name"],
            "sparsity": 100 * victim["sparsity"],
            "n": victim["n"],
        }
        for name in ("acc", "aua", "asr"):
            rate = victim[name]
            measured = rate["value"] is not None
            row |= {
                name: 100 * rate["value"] if measured else None,
                f"{name}_low": 100 * rate["low"] if measured else None,
                f"{name}_high": 100 * rate["high"] if measured else None,
                f"{name}_n": rate["n"],
            }
        row |= {
            "queries": victim["queries"]["value"],
            "words_changed": engine.in_percent(victim["words_changed"]["value"]),
            "similarity": victim["similarity"]["value"],
            "exhausted": victim["exhausted"],
            "errors": victim["errors"],
        }
        pair = result["paired"].get(victim["name"])
        if pair:
            row |= {
                "paired_n": pair["first"]["n"],
                "only_first_breaks": pair["only_first_breaks"],
                "only_this_breaks": pair["only_second_breaks"],
                "p": pair["p_value"],
                "p_holm": pair["adjusted"],
            }
        rows.append(row)
    return pd.DataFrame(rows)


def batch_chart(table: pd.DataFrame, dark: bool = False) -> go.Figure:
    """Acc, Aua and Asr of every victim with their intervals, victims side by side."""
    figure, lines = go.Figure(), {"acc": 2, "aua": 1, "asr": 0}
    for index, (row, (colour, _, marker, _)) in enumerate(
        zip(table.to_dict("records"), LOOKS, strict=False)
    ):
        rates = [name for name in lines if pd.notna(row[name])]
        # the victims of a rate stand one above the other
        shift = 0.18 * ((len(table) - 1) / 2 - index)
        figure.add_scatter(
            x=[row[name] for name in rates],
            y=[lines[name] + shift for name in rates],
            mode="markers",
            name=for_chart(row["victim"]),
            marker={"symbol": marker, "size": 11, "color": colour},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row[f"{name}_high"] - row[name] for name in rates],
                "arrayminus": [row[name] - row[f"{name}_low"] for name in rates],
                "color": colour,
                "thickness": 1.4,
                "width": 4,
            },
            customdata=[
                [name.capitalize(), row[f"{name}_low"], row[f"{name}_high"], row[f"{name}_n"]]
                for name in rates
            ],
            hovertemplate=f"{for_chart(row['victim'])}: %{{customdata[0]}} %{{x:.1f}}% "
            "[%{customdata[1]:.1f}, "
            "%{customdata[2]:.1f}], n = %{customdata[3]}<extra></extra>",
        )
    figure.update_xaxes(
        range=[-3, 103], ticksuffix="%", dtick=20, title_text="rate, with 95% intervals"
    )
    figure.update_yaxes(
        tickvals=list(lines.values()),
        ticktext=[name.capitalize() for name in lines],
        range=[-0.6, 2.6],
        showgrid=False,
        zeroline=False,
    )
    return _dressed(figure, dark, 150 + 24 * 3 * len(table), True)


def batch_transfer(result: Mapping[str, Any]) -> pd.DataFrame:
    """Source × target: the share of what broke the source that breaks the target too, among those
    both get right.
    """
    names = [victim["name"] for victim in result["victims"]]
    rows = []
    for source, row in result["transfer"].items():
        cells = {
            name: "–"
            if row[name]["rate"]["value"] is None
            else f"{100 * row[name]['rate']['value']:.0f}% of {row[name]['rate']['n']}"
            for name in names
        }
        rows.append({"texts found on": source, "found": row[source]["found"], **cells})
    return pd.DataFrame(rows, columns=["texts found on", "found", *names])


def _dressed(figure: go.Figure, dark: bool, height: int, legend: bool) -> go.Figure:
    return dressed(figure, dark, height, 34, 44, "attack").update_layout(showlegend=legend)

"""The charts of the Layers page: what the worker answered to `look` in, Plotly figures and data
frames out. Pure functions.
"""

import base64
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts.curves import AXES, decades
from prunescope.app.charts.palette import DENSE, GREEN, GREY, PURPLE, SPARSE, ink
from prunescope.app.charts.style import dressed
from prunescope.app.charts.text import for_chart, visible

Look = dict[str, Any]
PAIRS = {  # what is compared: title, colour, dash, marker
    ("dense", "clean", "pruned", "clean"): ("pruned to dense, clean", SPARSE, "solid", "circle"),
    ("dense", "adversarial", "pruned", "adversarial"): (
        "pruned to dense, adversarial",
        PURPLE,
        "dash",
        "square",
    ),
    ("dense", "clean", "dense", "adversarial"): (
        "adversarial to clean, dense",
        DENSE,
        "dot",
        "diamond",
    ),
    ("pruned", "clean", "pruned", "adversarial"): (
        "adversarial to clean, pruned",
        GREEN,
        "dashdot",
        "triangle-up",
    ),
}
READERS = {  # who reads what: title, colour, dash, marker
    ("dense", "clean"): ("dense, clean", DENSE, "solid", "circle"),
    ("dense", "adversarial"): ("dense, adversarial", DENSE, "dot", "circle-open"),
    ("pruned", "clean"): ("pruned, clean", SPARSE, "dash", "square"),
    ("pruned", "adversarial"): ("pruned, adversarial", SPARSE, "dashdot", "square-open"),
}
MEASURES = {"euclidean": "distance of {}", "cosine": "1 − cosine of {}"}
# what a head reads of the last hidden states
READ = {"first": "[CLS]", "last": "the last token", "mean": "the mean of all tokens"}


def name_of_read(look: Look) -> str:
    """What the head reads, as a chart names it."""
    return READ[look.get("reads", "first")]


def layer_names(look: Look) -> list[str]:
    """Where what the head reads was taken: after the embeddings and after every block."""
    return ["embeddings", *(str(block + 1) for block in range(look["blocks"]))]


def distances_table(look: Look) -> pd.DataFrame:
    """One row a layer and pair of readings."""
    return pd.DataFrame(
        [
            {
                "layer": layer,
                "compared": PAIRS[(*pair["from"], *pair["to"])][0],
                "euclidean": euclidean,
                "cosine": cosine,
            }
            for pair in look["distances"]
            for layer, euclidean, cosine in zip(
                layer_names(look), pair["euclidean"], pair["cosine"], strict=True
            )
        ]
    )


def distances_chart(look: Look, measure: str, dark: bool = False) -> go.Figure:
    """[CLS] from dense to pruned, and from clean to adversarial text, block by block."""
    figure = go.Figure()
    for pair in look["distances"]:
        title, colour, dash, marker = PAIRS[(*pair["from"], *pair["to"])]
        figure.add_scatter(
            x=layer_names(look),
            y=pair[measure],
            name=title,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2.2},
            marker={"symbol": marker, "size": 8, "color": colour},
            hovertemplate=f"{title}<br>after %{{x}}: %{{y:.4f}}<extra></extra>",
        )
    figure.update_yaxes(
        title_text=MEASURES[measure].format(name_of_read(look)), rangemode="tozero", zeroline=False
    )
    figure.update_xaxes(title_text="after block", showgrid=False, type="category")
    return dressed(figure, dark, 380)


def attention_of(look: Look, side: str, text: str) -> tuple[np.ndarray, list[str], int]:
    """(attention (blocks, heads, tokens, tokens), tokens, how many tokens are left out)."""
    part = next(part for part in look["attention"] if (part["side"], part["text"]) == (side, text))
    values = (
        np.frombuffer(base64.b64decode(part["values"]), dtype=np.float16)
        .reshape(part["shape"])
        .astype(np.float32)
    )
    return values, part["tokens"], part["cut"]


def attention_table(look: Look, side: str, text: str, block: int, head: int | None) -> pd.DataFrame:
    """One row a token that looks, one column a token that is looked at; the mean over heads where
    `head` is None.
    """
    values, tokens, _ = attention_of(look, side, text)
    chosen = values[block].mean(axis=0) if head is None else values[block, head]
    names = [f"{index + 1} {token}" for index, token in enumerate(tokens)]
    return (
        pd.DataFrame(chosen, index=pd.Index(names, name="token"), columns=names)
        .astype(float)
        .round(4)
    )


def attention_chart(table: pd.DataFrame, highest: float, dark: bool = False) -> go.Figure:
    """One victim's attention on one colour scale, so that two maps compare."""
    names = [for_chart(visible(str(name).partition(" ")[2])) for name in table.columns]
    positions = list(range(len(names)))
    figure = go.Figure(
        go.Heatmap(
            z=table.to_numpy(),
            x=positions,
            y=positions,
            zmin=0,
            zmax=highest,
            colorscale="Cividis",
            xgap=1,
            ygap=1,
            customdata=[[f"{row} → {column}" for column in names] for row in names],
            hovertemplate="%{customdata}: %{z:.3f}<extra></extra>",
            colorbar={"thickness": 10, "outlinewidth": 0},
        )
    )
    figure.update_xaxes(
        tickvals=positions,
        ticktext=names,
        tickangle=-60,
        showgrid=False,
        side="bottom",
        title_text="looked at",
    )
    figure.update_yaxes(
        tickvals=positions,
        ticktext=names,
        autorange="reversed",
        showgrid=False,
        scaleanchor="x",
        constrain="domain",
    )
    look = {"ticks": "", "tickfont_size": 10 if len(names) > 20 else 12}
    figure.update_xaxes(constrain="domain", **look)
    figure.update_yaxes(**look)
    return dressed(figure, dark, 460, bottom=90)


def map_table(look: Look) -> pd.DataFrame:
    """One row a reading and layer: where [CLS] stands on the two axes."""
    return pd.DataFrame(
        [
            {
                "model": part["side"],
                "text": part["text"],
                "layer": layer,
                "first axis": x,
                "second axis": y,
            }
            for part in look["map"]
            for layer, (x, y) in zip(layer_names(look), part["points"], strict=True)
        ]
    )


def map_chart(look: Look, dark: bool = False) -> go.Figure:
    """[CLS] on its way through the layers, every reading a path; numbers name the blocks."""
    figure = go.Figure()
    for part in look["map"]:
        title, colour, dash, marker = READERS[part["side"], part["text"]]
        points = np.array(part["points"])
        names = layer_names(look)
        figure.add_scatter(
            x=points[:, 0],
            y=points[:, 1],
            name=title,
            mode="lines+markers+text",
            text=["", *names[1:]],
            textposition="top center" if part["side"] == "dense" else "bottom center",
            textfont={"color": ink(colour, dark), "size": 11},
            line={"color": colour, "dash": dash, "width": 1.8},
            marker={
                "symbol": marker,
                "size": 9,
                "color": colour,
                "line": {"width": 2, "color": colour},
            },
            customdata=names,
            hovertemplate=f"{title}<br>after %{{customdata}}<extra></extra>",
        )
    first, second = look["shares"]
    figure.update_xaxes(
        title_text=f"first axis, {100 * first:.0f}% of the variance", zeroline=False
    )
    figure.update_yaxes(
        title_text=f"second axis, {100 * second:.0f}%", zeroline=False, scaleanchor="x"
    )
    return dressed(figure, dark, 460)


def cell_chart(frame: pd.DataFrame, name: str, dark: bool = False) -> go.Figure:
    """One layer's error over sparsity, beside the middle one of all layers."""
    figure = go.Figure()
    for column, title, colour, dash, marker in (
        ("median", "all layers, median", GREY, "dash", "square"),
        ("error", for_chart(name), SPARSE, "solid", "circle"),
    ):
        points = frame[frame[column] > 0]
        figure.add_scatter(
            x=points["sparsity"],
            y=points[column],
            name=title,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2.2},
            marker={"symbol": marker, "size": 7, "color": colour},
            hovertemplate=f"{title}: %{{y:.3g}} at %{{x:g}}%<extra></extra>",
        )
    figure.update_xaxes(
        range=[-2, 100],
        dtick=20,
        ticksuffix="%",
        showgrid=False,
        title_text="sparsity of the prunable weights",
        tickangle=0,
    )
    figure.update_yaxes(
        title_text="relative error", range=decades([frame], ["median", "error"]), **AXES["error"][1]
    )
    return dressed(figure, dark, 340).update_layout(margin={"r": 24})

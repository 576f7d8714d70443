"""The charts: data frame in, Plotly figure out. Pure functions; colours work on a light and on a dark page.

The background is the page's own, not transparent, so that an exported image can be read wherever it lands.
"""

import math

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.palette import DENSE, GREY, PAGE, SPARSE, fill
from app.text import for_chart

LOOKS = {  # name, colour, dash, marker: never told apart by colour alone
    "acc": ("Acc", SPARSE, "solid", "circle"),
    "aua": ("Aua", SPARSE, "dash", "square"),
    "asr": ("Asr", GREY, "dot", "diamond"),
}
MODEBAR = {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": SPARSE}
CONFIG = {"displaylogo": False, "displayModeBar": True, "modeBarButtons": [["toImage", "zoom2d", "resetScale2d"]]}


def curves(
    frame: pd.DataFrame, sparsity: float, at: dict[str, tuple[float | None, bool]], dark: bool = False
) -> go.Figure:
    """Rates above, errors below, over one sparsity axis with one cursor.

    `at` holds the value at the cursor by column, in the column's unit, and whether it was measured: solid or hollow.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.64, 0.36], vertical_spacing=0.07)
    for name, (label, colour, dash, marker) in LOOKS.items():
        if frame[name].notna().any():
            _rate(figure, frame, name, label, colour, dash, marker)
    for name, label, dash, marker in (("cls_error", "[CLS]", "solid", "circle"),
                                      ("layer_error_median", "layers, median", "dash", "square")):  # fmt: skip
        shown = frame[frame[name] > 0]
        figure.add_scatter(x=shown["sparsity"], y=shown[name], name=label, mode="lines+markers", row=2, col=1,
                           line={"color": SPARSE if name == "cls_error" else GREY, "dash": dash, "width": 2},
                           marker={"symbol": marker, "size": 6},
                           hovertemplate=f"{label} error %{{y:.3f}} at %{{x:g}} %<extra></extra>")  # fmt: skip
        _label(figure, shown, name, label, SPARSE if name == "cls_error" else GREY, 2, 7 if name == "cls_error" else -7)
    _cursor(figure, 100 * sparsity, at)
    return _dressed(figure, dark)


def _rate(figure: go.Figure, frame: pd.DataFrame, name: str, label: str, colour: str, dash: str, marker: str) -> None:
    x, y, n = frame["sparsity"], frame[name], frame[f"{name}_n"]
    figure.add_scatter(x=pd.concat([x, x[::-1]]), y=pd.concat([frame[f"{name}_high"], frame[f"{name}_low"][::-1]]),
                       fill="toself", fillcolor=fill(colour), line={"width": 0}, hoverinfo="skip", name=f"{label} interval",
                       mode="lines", row=1, col=1)  # fmt: skip
    custom = pd.DataFrame({"low": frame[f"{name}_low"], "high": frame[f"{name}_high"], "n": n})
    figure.add_scatter(
        x=x, y=y, name=label, mode="lines+markers", customdata=custom, row=1, col=1,
        line={"color": colour, "dash": dash, "width": 2.4}, marker={"symbol": marker, "size": 7},
        hovertemplate=f"{label} %{{y:.1f}} % [%{{customdata[0]:.1f}}, %{{customdata[1]:.1f}}], n = %{{customdata[2]}}"
                      " at %{x:g} %<extra></extra>",
    )  # fmt: skip
    if frame["sparsity"].iloc[0] == 0 and name != "asr":
        figure.add_hline(y=float(y.iloc[0]), line={"color": DENSE, "width": 1, "dash": dash}, opacity=0.7, row=1, col=1)
        figure.add_annotation(x=1.005, xref="paper", y=float(y.iloc[0]), yref="y", text=f"dense {label}", showarrow=False,
                              xanchor="left", font={"color": DENSE, "size": 11})  # fmt: skip
    _label(figure, frame, name, label, colour, 1, _apart(frame, name))


def _apart(frame: pd.DataFrame, name: str) -> int:
    """Pixels by which the label of a rate is moved where another rate ends close by."""
    ends = {other: float(frame[other].dropna().iloc[-1]) for other in LOOKS if frame[other].notna().any()}
    near = [end for other, end in ends.items() if other != name and abs(end - ends[name]) < 6]
    return 0 if not near else 8 if ends[name] >= max(near) else -8


def _label(
    figure: go.Figure, frame: pd.DataFrame, name: str, label: str, colour: str, row: int, shift: int = 0
) -> None:  # fmt: skip
    last = frame.dropna(subset=[name]).iloc[-1] if frame[name].notna().any() else None
    if last is not None:
        height = math.log10(last[name]) if row == 2 else last[name]
        figure.add_annotation(x=last["sparsity"], y=height, text=f" {label}", showarrow=False, xanchor="left",
                              yshift=shift, font={"color": colour, "size": 12}, row=row, col=1)  # fmt: skip


def _cursor(figure: go.Figure, x: float, at: dict[str, tuple[float | None, bool]]) -> None:
    figure.add_vline(x=x, line={"color": GREY, "width": 1.5}, row="all", col=1)
    for name, (value, measured) in at.items():
        if value is None or (name == "cls_error" and value <= 0):
            continue
        colour, marker = (LOOKS[name][1], LOOKS[name][3]) if name in LOOKS else (SPARSE, "circle")
        figure.add_scatter(x=[x], y=[value], mode="markers", hoverinfo="skip", name=f"{name} at the cursor",
                           marker={"symbol": marker if measured else f"{marker}-open", "size": 13, "color": colour,
                                   "line": {"width": 2.5, "color": colour}},
                           row=2 if name == "cls_error" else 1, col=1)  # fmt: skip


def _dressed(figure: go.Figure, dark: bool) -> go.Figure:
    figure.update_layout(height=470, showlegend=False, margin={"l": 56, "r": 84, "t": 28, "b": 44}, hovermode="closest",
                         uirevision="curves", modebar=MODEBAR, paper_bgcolor=PAGE[dark], plot_bgcolor=PAGE[dark])  # fmt: skip
    figure.update_xaxes(range=[-2, 100], tick0=0, dtick=10, ticksuffix=" %", showgrid=False)
    figure.update_xaxes(title_text="sparsity of the prunable weights", row=2, col=1)
    figure.update_yaxes(range=[0, 102], ticksuffix=" %", dtick=20, row=1, col=1, title_text="rate")
    decades = [0.0001, 0.001, 0.01, 0.1, 1, 10]
    figure.update_yaxes(type="log", row=2, col=1, title_text="relative error", tickvals=decades,
                        ticktext=[f"{tick:g}" for tick in decades])  # fmt: skip
    return figure


def heat_map(grid: pd.DataFrame, bounds: tuple[float, float], interpolated: bool, dark: bool = False) -> go.Figure:
    """Layer errors, block × module, on the study's one logarithmic colour scale."""
    low, high = (math.log10(bound) for bound in bounds)
    shown = grid.map(lambda error: max(math.log10(error), low) if error > 0 else low)
    ticks = list(range(math.ceil(low), math.floor(high) + 1))
    figure = go.Figure(go.Heatmap(
        z=shown.to_numpy(), x=list(grid.columns), y=list(grid.index), zmin=low, zmax=high, colorscale="Cividis",
        text=grid.map(lambda error: f"{error:.2f}" if error >= 0.095 else f"{error:.3f}").to_numpy(), texttemplate="%{text}",
        customdata=grid.to_numpy(), xgap=2, ygap=2, textfont={"size": 11},
        hovertemplate="block %{y}, %{x}<br>error %{customdata:.4f}<extra></extra>",
        colorbar={"title": {"text": "error", "side": "top"}, "tickvals": ticks, "ticktext": [f"{10.0**t:g}" for t in ticks],
                  "thickness": 10, "len": 0.9, "outlinewidth": 0},
    ))  # fmt: skip
    figure.update_layout(height=470, margin={"l": 40, "r": 8, "t": 28, "b": 90}, uirevision="layers", modebar=MODEBAR,
                         paper_bgcolor=PAGE[dark], plot_bgcolor=PAGE[dark])  # fmt: skip
    figure.update_yaxes(autorange="reversed", title_text="block", showgrid=False, type="category")
    figure.update_xaxes(tickangle=-40, showgrid=False)
    if interpolated:
        figure.add_annotation(text="interpolated", x=1, y=1.06, xref="paper", yref="paper", showarrow=False,
                              font={"color": GREY, "size": 12})  # fmt: skip
    return figure


def paths(sides: dict[str, list[tuple[int, float]]], label: str, dark: bool = False) -> go.Figure:
    """Confidence in the true label by query: the lowest the attack has reached so far, dense and pruned."""
    figure = go.Figure()
    for side, (colour, dash, marker) in {"dense": (DENSE, "solid", "circle"), "pruned": (SPARSE, "dash", "square")}.items():
        points = sides.get(side, [])
        figure.add_scatter(x=[q for q, _ in points], y=[100 * p for _, p in points], name=side, mode="lines+markers",
                           line={"color": colour, "dash": dash, "width": 2.4, "shape": "hv"},
                           marker={"symbol": marker, "size": 6},
                           hovertemplate=f"{side}: %{{y:.1f}} % after %{{x}} queries<extra></extra>")  # fmt: skip
    figure.update_layout(height=240, margin={"l": 56, "r": 16, "t": 12, "b": 44}, uirevision="paths", modebar=MODEBAR,
                         paper_bgcolor=PAGE[dark], plot_bgcolor=PAGE[dark],
                         legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom"})  # fmt: skip
    figure.update_yaxes(range=[0, 102], ticksuffix=" %", title_text=f"confidence in “{for_chart(label)}”", dtick=25)
    figure.update_xaxes(title_text="queries", rangemode="tozero", showgrid=False)
    return figure

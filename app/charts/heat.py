"""The layer errors of a study at one sparsity, as the figure that a heat map is downloaded as."""

import math

import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts.curves import dressed


def layers_chart(grid: pd.DataFrame, bounds: tuple[float, float]) -> go.Figure:
    """Blocks as rows and modules as columns, on the study's one logarithmic scale of colours."""
    low, high = bounds
    decades = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    ticks = [*decades] if len(decades) > 1 else [math.log10(low), math.log10(high)]
    figure = go.Figure(
        go.Heatmap(
            z=grid.clip(lower=low, upper=high).map(math.log10).to_numpy(),
            x=[str(name) for name in grid.columns],
            y=[str(name) for name in grid.index],
            zmin=math.log10(low),
            zmax=math.log10(high),
            colorscale="Cividis",
            xgap=2,
            ygap=2,
            text=grid.map(_written).to_numpy(),
            texttemplate="%{text}",
            textfont={"size": 10},
            customdata=grid.to_numpy(),
            hovertemplate="block %{y}, %{x}: %{customdata:.4f}<extra></extra>",
            colorbar={
                "title": {"text": "layer error (logarithmic scale)", "side": "right"},
                "tickvals": ticks,
                "ticktext": [f"{10**tick:.2g}" for tick in ticks],
                "thickness": 12,
            },
        )
    )
    figure.update_xaxes(showgrid=False, ticks="", type="category", tickangle=-35)
    figure.update_yaxes(
        showgrid=False, ticks="", autorange="reversed", title_text="block", type="category"
    )
    return dressed(figure, False, 130 + 32 * len(grid), top=20, bottom=90)


def _written(error: float) -> str:
    """An error in a cell: `0.123` → "0.12"."""
    if error >= 0.095:
        return f"{error:.2f}"
    return f"{error:.3f}" if error >= 0.0005 or error == 0 else "<.001"

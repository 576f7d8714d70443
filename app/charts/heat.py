"""The layer errors of a study at one sparsity, as the figure that a heat map is downloaded as."""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts.style import dressed

TICKS = [digit * 10.0**power for power in range(-6, 3) for digit in (1, 2, 5)]


def layers_chart(
    grid: pd.DataFrame, bounds: tuple[float, float], colours: Sequence[str]
) -> go.Figure:
    """Blocks as rows and modules as columns, on the study's one logarithmic scale of colours."""
    low, high = bounds
    ticks = [tick for tick in TICKS if low <= tick <= high] or [low, high]
    figure = go.Figure(
        go.Heatmap(
            z=grid.clip(lower=low, upper=high).map(math.log10).to_numpy(),
            x=[str(name) for name in grid.columns],
            y=[str(name) for name in grid.index],
            zmin=math.log10(low),
            zmax=math.log10(high),
            colorscale=[[at / (len(colours) - 1), colour] for at, colour in enumerate(colours)],
            xgap=2,
            ygap=2,
            text=grid.map(_written).to_numpy(),
            texttemplate="%{text}",
            textfont={"size": 10},
            customdata=grid.to_numpy(),
            hovertemplate="block %{y}, %{x}: %{customdata:.4f}<extra></extra>",
            colorbar={
                "title": {"text": "relative error, log scale", "side": "right"},
                "tickvals": [math.log10(tick) for tick in ticks],
                "ticktext": [f"{tick:g}" for tick in ticks],
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

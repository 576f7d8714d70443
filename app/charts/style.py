"""The look that all charts share: font, page colours, grid, legend, buttons over a chart."""

import plotly.graph_objects as go

from prunescope.app.charts.palette import GREY, PAGE, SPARSE, ink

MODEBAR = {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": SPARSE}
CONFIG = {
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtons": [["toImage", "zoom2d", "resetScale2d"]],
}
# unquoted, the 3 would make all of it invalid
FONT = '"Source Sans", "Source Sans 3", Helvetica, Arial, sans-serif'


def dressed(
    figure: go.Figure,
    dark: bool,
    height: int,
    top: int = 44,
    bottom: int = 46,
    uirevision: str = "kept",
) -> go.Figure:
    """The look that all charts share: the page's own colours, faint lines, a legend above. A zoom
    lasts as long as `uirevision`.
    """
    line = "#2B313A" if dark else "#E3E6EA"
    figure.update_layout(
        height=height,
        margin={"l": 62, "r": 16, "t": top, "b": bottom},
        hovermode="closest",
        uirevision=uirevision,
        modebar=MODEBAR,
        paper_bgcolor=PAGE[dark],
        plot_bgcolor=PAGE[dark],
        font={"color": ink(GREY, dark), "family": FONT},
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"},
    )
    figure.update_xaxes(zeroline=False, gridcolor=line)
    figure.update_yaxes(zeroline=False, gridcolor=line)
    return figure

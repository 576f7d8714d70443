"""The heat map of a study's layer errors, block by module, which follows the slider."""

import plotly.colors
import plotly.graph_objects as go
import streamlit as st

from prunescope import engine
from prunescope.app.charts.heat import layers_chart
from prunescope.app.components import instrument
from prunescope.app.state import address
from prunescope.engine.reading import series

COLOURS = plotly.colors.sample_colorscale("Cividis", 41)
NOTE = "One colour scale for the whole study. Pick a cell, by click or with arrows and Enter."
UNEVEN = " Sparsity differs from layer to layer: see “What the pruner did”, on Explore."


def heat_map(study: engine.Study, stops: list[float], start: float) -> str | None:
    """Draw it; the cell that is picked, by hand or by the address, as `block.module`."""
    linked = address.read("cell") or None
    data = {
        **series.heat(study, stops),
        "colours": COLOURS,
        "picked": linked,
        "note": NOTE + (UNEVEN if series.uneven(study) else ""),
    }
    cell = instrument.heat(data, start) or linked
    if cell not in study.levels[0].layer_errors:
        if cell is not None:
            st.info(f"The link names the layer {address.quoted(cell)}, which this model lacks.")
            address.write("cell", None)
        return None
    address.write("cell", cell)
    return cell


def layers_figure(study: engine.Study, sparsity: float) -> go.Figure:
    """The map as a figure to download."""
    return layers_chart(series.layer_grid(study, sparsity), series.error_range(study))

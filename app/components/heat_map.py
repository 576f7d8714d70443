"""The heat map of a study's layer errors, block by module, which follows the slider."""

import plotly.colors
import plotly.graph_objects as go
import streamlit as st

from prunescope import engine
from prunescope.app.charts.heat import layers_chart
from prunescope.app.components import instrument
from prunescope.app.state import address
from prunescope.app.state.resources import dark
from prunescope.engine.reading import series

SHADES = 41
SCALES = {  # a large error stands out from the page, a small one does not
    False: ("#FFF8EC", "#FBE2B5", "#F8B65B", "#E2752A", "#AE4310", "#6B2207", "#340E04"),
    True: ("#1B2530", "#26456B", "#4B5FA8", "#A45A9C", "#E5705F", "#F9B15B", "#FCF3B0"),
}
DECADES = 100  # the scale spans two powers of ten
SCALE_TITLE = "relative error, log scale"
NOTE = "The scale is the same at every sparsity. Pick a cell, by click or with arrows and Enter."
UNEVEN = " Sparsity differs from layer to layer: see “What the pruner did”."


def colours(is_dark: bool) -> list[str]:
    """The scale, from the smallest error to the largest."""
    anchors = [plotly.colors.hex_to_rgb(colour) for colour in SCALES[is_dark]]
    evenly = [step / (len(anchors) - 1) for step in range(len(anchors))]
    scale = [
        [at, f"rgb({', '.join(map(str, anchor))})"]
        for at, anchor in zip(evenly, anchors, strict=True)
    ]
    shades: list[str] = plotly.colors.sample_colorscale(scale, SHADES)
    return shades


def heat_map(
    study: engine.Study, stops: list[float], start: float, usual: str | None = None
) -> str | None:
    """Draw it; the cell that is picked, by hand or by the address, as `block.module`; else the
    usual one.
    """
    linked = address.read("cell") or None
    heat = series.heat(study, stops)
    smallest, largest = heat["bounds"]
    data = {
        **heat,
        "bounds": (max(smallest, largest / DECADES), largest),
        "scale": SCALE_TITLE,
        "colours": colours(dark()),
        "picked": linked or usual,
        "note": NOTE + (UNEVEN if series.uneven(study) else ""),
    }
    cell = instrument.heat(data, start) or linked
    if cell not in study.levels[0].layer_errors:
        if cell is not None:
            st.info(f"The link names the layer {address.quoted(cell)}, which this model lacks.")
            address.write("cell", None)
        return usual
    address.write("cell", cell, usual)
    return cell


def layers_figure(study: engine.Study, sparsity: float) -> go.Figure:
    """The map as a figure to download, on the light page's scale."""
    smallest, largest = series.error_range(study)
    bounds = (max(smallest, largest / DECADES), largest)
    return layers_chart(series.layer_grid(study, sparsity), bounds, SCALES[False])

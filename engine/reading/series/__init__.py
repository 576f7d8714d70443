"""The numbers behind the charts: studies in, data frames and values out."""

from prunescope.engine.reading.series.curves import cell_curve, cell_table, curves, together
from prunescope.engine.reading.series.layers import (
    cell_name,
    error_range,
    heat,
    layer_grid,
    layer_table,
    uneven,
)
from prunescope.engine.reading.series.values import (
    RATES,
    Value,
    bytes_at,
    cell_error_at,
    error_at,
    latencies,
    latency_at,
    layer_error_at,
    median_error,
    model_bytes,
    neighbours,
    own_sparsity,
    rate_at,
    stops,
)

__all__ = [
    "RATES",
    "Value",
    "bytes_at",
    "cell_curve",
    "cell_error_at",
    "cell_name",
    "cell_table",
    "curves",
    "error_at",
    "error_range",
    "heat",
    "latencies",
    "latency_at",
    "layer_error_at",
    "layer_grid",
    "layer_table",
    "median_error",
    "model_bytes",
    "neighbours",
    "own_sparsity",
    "rate_at",
    "stops",
    "together",
    "uneven",
]

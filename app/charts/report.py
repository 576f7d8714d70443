"""A whole study as one HTML page that works from a file: charts with Plotly inside, tables,
definitions, commands.
"""

import json
import math

import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts import curves, files
from prunescope.app.components.text import for_html
from prunescope.engine import SafeSparsity, Study, data_title, last_safe, paired_levels
from prunescope.engine.reading import commands, series

DEFINED = {
    "Sparsity": "zeros / prunable weights: the linears of the encoder blocks, without embeddings "
    "and head",
    "Acc": "correct / n, on the evaluation set",
    "Aua": "accuracy under attack: right at first and not broken / attacked",
    "Asr": "attack success rate: broken / right at first; its denominator differs from level to "
    "level",
    "Layer error": "‖(W X_d + b) − (Ŵ X_s + b)‖² / ‖W X_d − mean‖² over calibration text that the "
    "solver did not see",
    "[CLS] error": "the same ratio for the last [CLS] embedding, over the evaluation set",
    "Intervals": "Wilson's, 95 %; curves between measured levels are interpolated",
}


def study_report(study: Study, points: float) -> str:
    """The page. Every text in it is escaped, and it asks for nothing from a network."""
    about, frame = study.about, series.curves(study)
    shown = [name for name in curves.LOOKS if name in frame or name == "size"]
    parts = [
        f"<p>{for_html(series.sentence(study))}, {about['counts']['evaluation']} evaluated.</p>",
        _safe(last_safe(study, points)),
        "<h2>Robustness against sparsity</h2>",
        _plot("curves", curves.curves([("", frame)], shown)),
        files.table_html(_rates(frame)),
        "<h2>Layer errors</h2>",
        _plot("layers", layers_figure(study)),
        _paired(study),
        "<h2>What the numbers mean</h2>",
        files.about_html(dict(DEFINED)),
        "<h2>Measure it again</h2>",
        f"<pre>{for_html_lines(_commands(study))}</pre>",
        "<h2>Where it comes from</h2>",
        files.about_html(_origin(study)),
    ]
    data = data_title(about["data"])
    return files.page_html(f"{about['model']} on {data}", "".join(parts), with_plotly=True)


def _commands(study: Study) -> str:
    levels = [level.sparsity for level in study.levels]
    repeat = commands.repeat_command(study, levels)
    return commands.shell(repeat, commands.export_command(study, levels[-1]))


def for_html_lines(text: str) -> str:
    """Lines of text for a `pre`."""
    return "\n".join(map(for_html, text.splitlines()))


def _plot(name: str, figure: go.Figure) -> str:
    figure.update_layout(template="plotly_white")
    drawn = json.dumps(json.loads(figure.to_json())).replace(
        "<", "\\u003c"
    )  # a script may not be closed by a label
    return (
        f'<div id="{name}"></div><script type="text/javascript">{{const figure = {drawn}; '
        f'Plotly.newPlot("{name}", '
        "figure.data, figure.layout, {responsive: true, displaylogo: false});}</script>"
    )


def _safe(safe: SafeSparsity | None) -> str:
    if safe is None:
        return ""
    what = " and ".join(name.capitalize() for name in safe.checked)
    return (
        f"<p>Last safe sparsity: <strong>{100 * safe.sparsity:g} %</strong> ({what} at most "
        f"{safe.points:g} points below "
        f"dense up to there), between {100 * safe.low:g} and {100 * safe.high:g} % over 2,000 "
        "draws of the "
        "examples.</p>"
    )


def _rates(frame: pd.DataFrame) -> pd.DataFrame:
    """The table under the curves: a rate with its interval in one cell."""
    table = pd.DataFrame({"sparsity, %": frame["sparsity"]})
    for name in series.RATES:
        table[f"{name.capitalize()}, %"] = [
            None if pd.isna(value) else f"{value:.1f} [{low:.1f}, {high:.1f}], n = {n:.0f}"
            for value, low, high, n in zip(
                *(frame[f"{name}{part}"] for part in ("", "_low", "_high", "_n")), strict=True
            )
        ]
    return table.assign(
        **{
            "[CLS] error": frame["cls_error"],
            "layer error, median": frame["layer_error_median"],
            "packed, MB": frame["packed_bytes"] / 1e6,
        }
    )


def layers_figure(study: Study) -> go.Figure:
    """The heat map of every measured level behind Plotly's own slider, on one logarithmic colour
    scale.
    """
    (low, high), middle = series.error_range(study), len(study.levels) // 2
    figure = go.Figure()
    for place, level in enumerate(study.levels):
        grid = series.layer_grid(study, level.sparsity)
        figure.add_heatmap(
            z=grid.clip(lower=low).map(_log).to_numpy(),
            x=list(grid.columns),
            y=list(grid.index),
            zmin=_log(low),
            zmax=_log(high),
            colorscale="Cividis",
            customdata=grid.to_numpy(),
            visible=place == middle,
            hovertemplate="block %{y}, %{x}: %{customdata:.4f}<extra></extra>",
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "error, log₁₀"}, "thickness": 12},
        )
    steps = [
        {
            "method": "update",
            "label": f"{100 * level.sparsity:g} %",
            "args": [{"visible": [other == place for other in range(len(study.levels))]}],
        }
        for place, level in enumerate(study.levels)
    ]
    figure.update_layout(
        height=430,
        sliders=[{"steps": steps, "active": middle, "pad": {"t": 60}}],
        margin={"l": 50, "r": 20, "t": 20, "b": 20},
    )
    figure.update_yaxes(autorange="reversed", title_text="block", type="category")
    return figure


def _log(value: float) -> float:
    return math.log10(value)


def _paired(study: Study) -> str:
    dense = study.level(0.0)
    if dense is None or not dense.attacks or len(study.levels) < 2:
        return ""
    found = paired_levels(
        dense.attacks, {level.sparsity: level.attacks for level in study.levels[1:]}
    )
    table = pd.DataFrame(
        [
            {
                "sparsity, %": 100 * sparsity,
                "both right": pair.first.n,
                "Asr dense, %": _share(pair.first.value),
                "Asr pruned, %": _share(pair.second.value),
                "both hold": pair.both_hold,
                "only dense breaks": pair.only_first_breaks,
                "only pruned breaks": pair.only_second_breaks,
                "both break": pair.both_break,
                "p": pair.p_value,
                "p, Holm": pair.adjusted,
            }
            for sparsity, pair in found.items()
        ]
    )
    return (
        "<h2>Paired with dense</h2><p>The attacked examples that both models get right; McNemar's "
        "exact test, adjusted for "
        f"the number of levels.</p>{files.table_html(table)}"
    )


def _share(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _origin(study: Study) -> dict[str, object]:
    about = study.about
    return {
        "made by": "PruneScope",
        "study": study.key,
        "model": about["model"],
        "data": about["data"],
        "method": about["method"],
        "pattern": about["pattern"],
        "attack": about["attack"],
        "seed": about["seed"],
        **{f"{name} examples": count for name, count in about["counts"].items()},
        **({"measured with": "; ".join(study.machines)} if study.machines else {}),
        "settings": json.dumps(about["spec"], sort_keys=True),
    }

"""A whole study as one HTML page that works from a file: charts with Plotly inside, tables,
definitions, commands.
"""

import json
import math

import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts import curves, files
from prunescope.app.charts.text import for_html
from prunescope.engine import SafeSparsity, Study, full_name, last_safe, paired_levels, study_title
from prunescope.engine.reading import commands, glossary, series, verdicts

DEFINED = ("sparsity", "acc", "aua", "asr", "layer_error", "cls_error", "p", "interval")


def study_report(study: Study, points: float) -> str:
    """The page. Every text in it is escaped, and it asks for nothing from a network."""
    about, frame = study.about, series.curves(study)
    safe = last_safe(study, points) if len(study.levels) > 1 else None
    columns = [name for name in curves.LOOKS if name in frame or name == "size"]
    parts = [
        f"<p>{for_html(full_name(study))}, {about['counts']['evaluation']} evaluated.</p>",
        _safe(safe),
        *(f"<p>{for_html(sentence)}</p>" for sentence in _sentences(study, safe)),
        "<h2>Robustness against sparsity</h2>",
        files.plot_html("curves", curves.curves([("", frame)], columns)),
        files.table_html(_rates(frame)),
        "<h2>Layer errors</h2>",
        files.plot_html("layers", layers_figure(study)),
        _paired(study),
        "<h2>What the numbers mean</h2>",
        files.about_html(_definitions()),
        "<h2>Reproduce</h2>",
        f"<pre>{for_html_lines(_commands(study))}</pre>",
        "<h2>Provenance</h2>",
        files.about_html(_origin(study)),
    ]
    return files.page_html(study_title(about), "".join(parts), with_plotly=True)


def _commands(study: Study) -> str:
    levels = [level.sparsity for level in study.levels]
    repeat = commands.repeat_command(study, levels)
    return commands.shell(repeat, commands.export_command(study, levels[-1]))


def _sentences(study: Study, safe: SafeSparsity | None) -> list[str]:
    """What is kept at the highest safe sparsity and at the highest measured one."""
    sparsities = {study.levels[-1].sparsity, *([safe.sparsity] if safe else [])}
    return [verdicts.level_sentence(study, sparsity) for sparsity in sorted(sparsities)]


def for_html_lines(text: str) -> str:
    """Lines of text for a `pre`."""
    return "\n".join(map(for_html, text.splitlines()))


def _safe(safe: SafeSparsity | None) -> str:
    if safe is None:
        return ""
    return (
        f"<p><strong>{for_html(verdicts.safe_headline(safe))}</strong>: "
        f"{for_html(verdicts.safe_explanation(safe))}.</p>"
    )


def _definitions() -> dict[str, object]:
    measures = map(glossary.measure, DEFINED)
    return {measure.symbol: f"{measure.meaning} {measure.not_meaning}" for measure in measures}


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
            glossary.measure("cls_error").head: frame["cls_error"],
            "layer error, median": frame["layer_error_median"],
            glossary.measure("size").head: frame["packed_bytes"] / 1e6,
        }
    )


def layers_figure(study: Study) -> go.Figure:
    """The heat map of every measured level behind Plotly's own slider, on one logarithmic colour
    scale.
    """
    (low, high), middle = series.error_range(study), len(study.levels) // 2
    figure = go.Figure()
    for index, level in enumerate(study.levels):
        grid = series.layer_grid(study, level.sparsity)
        figure.add_heatmap(
            z=grid.clip(lower=low).map(_log).to_numpy(),
            x=list(grid.columns),
            y=list(grid.index),
            zmin=_log(low),
            zmax=_log(high),
            colorscale="Cividis",
            customdata=grid.to_numpy(),
            visible=index == middle,
            hovertemplate="block %{y}, %{x}: %{customdata:.4f}<extra></extra>",
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "error, log₁₀"}, "thickness": 12},
        )
    steps = [
        {
            "method": "update",
            "label": f"{100 * level.sparsity:g} %",
            "args": [{"visible": [other == index for other in range(len(study.levels))]}],
        }
        for index, level in enumerate(study.levels)
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
    pairs = paired_levels(
        dense.attacks, {level.sparsity: level.attacks for level in study.levels[1:]}
    )
    table = pd.DataFrame(
        [
            {
                "sparsity, %": 100 * sparsity,
                "both correct": pair.first.n,
                "Asr dense, %": _share(pair.first.value),
                "Asr pruned, %": _share(pair.second.value),
                "both withstand": pair.both_hold,
                "only dense fails": pair.only_first_breaks,
                "only pruned fails": pair.only_second_breaks,
                "both fail": pair.both_break,
                "p": pair.p_value,
                "p, Holm": pair.adjusted,
            }
            for sparsity, pair in pairs.items()
        ]
    )
    return (
        "<h2>Paired with dense</h2><p>The attacked examples that both models classify correctly, "
        "and how many of them fail the attack on one model only. McNemar's exact test, adjusted by "
        f"Holm's method for the number of sparsities.</p>{files.table_html(table)}"
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

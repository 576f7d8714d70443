"""One study or several as one HTML page that works from a file: charts with Plotly inside, tables,
definitions, commands.
"""

import json
import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from prunescope.app.charts import curves, files
from prunescope.app.charts.paper_table import to_frame
from prunescope.app.charts.text import for_html
from prunescope.engine import SafeSparsity, Study, full_name, last_safe, paired_levels, study_title
from prunescope.engine.reading import commands, glossary, series, verdicts
from prunescope.engine.reading.papers import literature_names, paper_table
from prunescope.engine.reading.titles import tuning_title

DEFINED = ("sparsity", "acc", "aua", "asr", "layer_error", "cls_error", "p", "interval")


def studies_report(studies: Sequence[Study], points: float) -> str:
    """The page of one study or of several. Every text in it is escaped, and it asks for nothing
    from a network.
    """
    if len(studies) == 1:
        title, parts = study_title(studies[0].about), [_section(studies[0], points, "")]
    else:
        title = f"{len(studies)} studies: {', '.join(literature_names(studies))}"
        parts = [_together(studies, points)]
        for number, study in enumerate(studies, start=1):
            parts += [f"<h2>{number}. {for_html(full_name(study))}</h2>"]
            parts += [_section(study, points, f"-{number}", "h3")]
    parts += ["<h2>What the numbers mean</h2>", files.about_html(_definitions())]
    return files.page_html(title, "".join(parts), with_plotly=True)


def _together(studies: Sequence[Study], points: float) -> str:
    """Several studies beside one another: how far each is safe, their curves, and their table."""
    names = literature_names(studies)
    frames = [(name, series.curves(study)) for name, study in zip(names, studies, strict=True)]
    shares = [level.sparsity for level in studies[0].levels]
    shared = [share for share in shares if all(study.level(share) for study in studies)]
    measures = [name for name in ("acc", "aua", "cls_error") if _measured(studies, name)]
    rates = [name for name in measures if name != "cls_error"]
    table = paper_table(studies, shared or shares, rates)
    marks = " ".join((*table.caption, *table.marks))
    safe = pd.DataFrame(
        [
            {"study": full_name(study), "safe sparsity": _headline(study, points), "key": study.key}
            for study in studies
        ]
    )
    return (
        f"<h2>Safe sparsity</h2><p>Tolerance: {points:g} points.</p>{files.table_html(safe)}"
        f"<h2>Beside one another</h2>{files.plot_html('together', curves.curves(frames, measures))}"
        f"{files.table_html(to_frame(table))}<p>{for_html(marks)}</p>"
    )


def _measured(studies: Sequence[Study], name: str) -> bool:
    return name == "cls_error" or any(getattr(study.levels[0], name) for study in studies)


def _headline(study: Study, points: float) -> str:
    safe = last_safe(study, points) if len(study.levels) > 1 else None
    return "–" if safe is None else verdicts.safe_headline(safe)


def _section(study: Study, points: float, suffix: str, head: str = "h2") -> str:
    """All of one study; `suffix` keeps its charts apart from those of others."""
    about, frame = study.about, series.curves(study)
    safe = last_safe(study, points) if len(study.levels) > 1 else None
    columns = [name for name in curves.LOOKS if name in frame or name == "size"]
    parts = [
        f"<p>{for_html(full_name(study))}, {about['counts']['evaluation']} evaluated.</p>",
        _safe(safe),
        *(f"<p>{for_html(sentence)}</p>" for sentence in _sentences(study, safe)),
        f"<{head}>Robustness against sparsity</{head}>",
        files.plot_html(f"curves{suffix}", curves.curves([("", frame)], columns)),
        files.table_html(_rates(frame)),
        f"<{head}>Layer errors</{head}>",
        files.plot_html(f"layers{suffix}", layers_figure(study)),
        _paired(study, head),
        f"<{head}>Reproduce</{head}>",
        f"<pre>{for_html_lines(_commands(study))}</pre>",
        f"<{head}>Provenance</{head}>",
        files.about_html(_origin(study)),
    ]
    return "".join(parts)


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


def _paired(study: Study, head: str) -> str:
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
        f"<{head}>Paired with dense</{head}><p>The attacked examples that both models classify "
        "correctly, and how many of them fail the attack on one model only. McNemar's exact test, "
        f"adjusted by Holm's method for the number of sparsities.</p>{files.table_html(table)}"
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
        **({"tuning": tuning_title(about).lstrip("+ ")} if tuning_title(about) else {}),
        "attack": about["attack"],
        "seed": about["seed"],
        **{f"{name} examples": count for name, count in about["counts"].items()},
        **({"measured with": "; ".join(study.machines)} if study.machines else {}),
        "settings": json.dumps(about["spec"], sort_keys=True),
    }

"""Tables of models in and out of distribution, for the console."""

from statistics import mean, stdev
from typing import Any

from prunescope.engine.cli.console import aligned_rate


def ood_table(result: dict[str, Any]) -> str:
    """One model on both kinds of rows, the gap, and the accuracy of every group."""
    lines = [
        f"{'rows':<28} {'n':>6}  {'accuracy %':>17}  {'weighted F1 %':>17}  {'binary F1 %':>17}"
    ]
    for score in (result["id"], *result["ood"]):
        lines.append(
            f"{score['name'][:28]:<28} {score['accuracy']['n']:>6}  {_cell(score['accuracy'])}  "
            f"{_cell(score['f1_weighted'])}  {_cell(score['f1_binary'])}"
        )
    for score in result["ood"]:
        lines.append(
            f"gap to {score['name']}, {score['metric']}: "
            f"{_cell(result['gaps'][score['name']]).strip()} points"
        )
        for column, groups in score["groups"].items():
            lines += [
                f"  {column} {value[:40]:<40} {rate['n']:>6}  {_cell(rate)}"
                for value, rate in groups.items()
            ]
    return "\n".join(lines) + "\n"


def _cell(score: dict[str, Any] | None) -> str:
    if score is None or score["value"] is None:
        return f"{'–':>17}"
    return aligned_rate(score["value"], score["low"], score["high"])


def protocol_table(table: dict[str, Any]) -> str:
    """Mean and standard deviation over the seeds of every cell, in the recipe's order."""
    groups: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for run in table["runs"]:
        groups.setdefault((run["cell"], run["sparsity"]), []).append(run)
    names = [one["name"] for one in table["runs"][0]["ood"]] if table["runs"] else []
    head = (
        f"{'cell':<24} {'sparsity':>8} {'seeds':>5}  {'ID %':>13}"
        + "".join(f"  {name[:20]:>20}" for name in names)
        + "\n"
    )
    rows = []
    for (cell, sparsity), runs in groups.items():
        inside = _spread([run["id"][run["id"]["metric"]]["value"] for run in runs])
        outside = [
            _spread([run["ood"][i][run["ood"][i]["metric"]]["value"] for run in runs])
            for i in range(len(names))
        ]
        rows.append(
            f"{cell:<24} {100 * sparsity:>6.1f} % {len(runs):>5}  {inside:>13}"
            + "".join(f"  {one:>20}" for one in outside)
            + "\n"
        )
    done = f"{len(table['runs'])} of {table['planned']} models measured\n"
    return head + "".join(rows) + done


def _spread(values: list[float]) -> str:
    return f"{100 * mean(values):.1f}" + (
        f" ({100 * stdev(values):.1f})" if len(values) > 1 else ""
    )

"""P2's tables: full models and subnetworks, in and out of distribution."""

from typing import Any

from app import subnetwork_charts
from engine import Rate, SubnetworkTable
from scripts.reading.words import share


def section(found: SubnetworkTable) -> str:
    """One table of subnetworks: means over the seeds, and what one change does on the same rows."""
    names, spread = subnetwork_charts.sets_of(found), subnetwork_charts.spread_table(found)
    panels = subnetwork_charts.panels(found)
    seeds, count = len({run.seed for run in found.runs}), ", ".join(f"{name} {n:,}" for name, n in found.rows.items())
    figures_of = ", ".join(f"{row.set}: {row.figure}" for row in spread.drop_duplicates("set").itertuples())
    missing = "" if len(found.runs) == found.planned else f" {len(found.runs)} of {found.planned} models are measured so far."
    lines = [
        f"\n## {found.title}\n", f"{found.stand_in}\n",
        f"{found.recipe['base']}, rows: {count}; {figures_of}, in per cent: "
        + ("mean (standard deviation) of the seeds" if seeds > 1 else "one seed with its 95 % interval")
        + f", gap in points.{missing}" + _bias(found) + "\n",
        "| model | sparsity | seeds | " + " | ".join(panels) + " | " + " | ".join(f"ID − {name}" for name in names[1:]) + " |",
        "|---|--:|--:|" + "---|" * (len(panels) + len(names) - 1),
    ]  # fmt: skip
    for (series, level), part in spread.groupby(["series", "sparsity"], sort=False):
        rows = [part[part["set"] == name].iloc[0] for name in panels]
        lines.append(f"| {series} | {level:g} % | {rows[0]['seeds']} | " + " | ".join(map(_spread, rows)) + " | "
                     + " | ".join(f"{row['gap']:.1f}" for row in rows[1 : len(names)]) + " |")  # fmt: skip
    for name in names:
        lines += _differences(found, name)
    return "\n".join(lines) + "\n"


def _bias(found: SubnetworkTable) -> str:
    if not found.bias:
        return ""
    return f" The bias model ({found.bias['features']}) is right on {share(Rate(**found.bias['acc']))} alone."


def _spread(row: Any) -> str:
    if row["seeds"] > 1:
        return f"{row['mean']:.1f} ({row['sd']:.1f})"
    return f"{row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def _differences(found: SubnetworkTable, name: str) -> list[str]:
    table = subnetwork_charts.differences(found, name)
    if table.empty:
        return []
    return [f"\nOne thing changed, {name}: accuracy of the second minus the first's on the same {table['n'].iloc[0]:,} rows, "
            "in points, 95 % over the rows.\n", "| sparsity | second | minus | difference |", "|--:|---|---|---|",
            *(f"| {row.sparsity:g} % | {row.second} | {row.minus} | {row.difference:+.1f} [{row.low:+.1f}, {row.high:+.1f}] |"
              for row in table.itertuples())]  # fmt: skip

"""P2's tables: full models and subnetworks, in and out of distribution."""

from collections.abc import Iterable, Sequence
from typing import Any

from prunescope.engine import (
    Rate,
    Statistic,
    Study,
    SubnetworkRun,
    SubnetworkTable,
    paired_difference,
)
from prunescope.engine.reading import subnetworks
from scripts.reading.words import about, bare, level_name, points, right, rows, share, usual

START = "MiniLM-L6"  # the embedded victim, as studies name it


def untrained(
    table: SubnetworkTable, studies: Iterable[Study]
) -> list[tuple[SubnetworkRun, Study, Statistic]]:
    """Every trained subnetwork of the embedded victim, and how much more often the default, which
    trains nothing, is right on the same rows; nothing where the table's dense model is another one.
    """
    settings = {
        "model": START,
        "method": "adaptive",
        "pattern": "unstructured",
        "attack": "deepwordbug",
        "seed": 0,
    }
    mine = [study for study in about(studies, **settings) if usual(study)]
    dense = next((run for run in table.runs if run.sparsity == 0), None)
    if dense is None:
        return []
    for study in mine:
        level, n = study.level(0.0), study.about["counts"]["evaluation"]
        if level is None or right(level, n) != list(dense.inside.correct):
            continue  # another model, or other rows
        return [
            (run, study, paired_difference([list(run.inside.correct)], [right(level_here, n)]))
            for run in table.runs
            if run.sparsity > 0 and (level_here := study.level(run.sparsity)) is not None
        ]
    return []


def _untrained(table: SubnetworkTable, studies: Sequence[Study]) -> str:
    lines = [
        [
            series(table, run),
            level_name(run.sparsity),
            bare(study.level(run.sparsity).acc),
            points(difference),
        ]
        for run, study, difference in untrained(table, studies)
    ]
    if not lines:
        return ""
    return (
        "\nAdaptive prunes the same model without any training: its accuracy minus theirs on "
        "the same examples, in points.\n\n"
        + rows(["model", "sparsity", "Acc of Adaptive", "Adaptive − it"], lines)
    )


def series(table: SubnetworkTable, run: SubnetworkRun) -> str:
    """What the page calls a subnetwork: the name of its cell's first run."""
    return subnetworks.series_name(next(first for first in table.runs if first.cell == run.cell))


def section(table: SubnetworkTable, studies: Sequence[Study] = ()) -> str:
    """One table of subnetworks: means over the seeds, and what one change does on the same rows."""
    names, spread = subnetworks.sets_of(table), subnetworks.spread_table(table)
    panels = subnetworks.panels(table)
    seeds, count = (
        len({run.seed for run in table.runs}),
        ", ".join(f"{name} {n:,}" for name, n in table.rows.items()),
    )
    figures_of = ", ".join(
        f"{row.set}: {row.figure}" for row in spread.drop_duplicates("set").itertuples()
    )
    missing = (
        ""
        if len(table.runs) == table.planned
        else f" {len(table.runs)} of {table.planned} models are measured so far."
    )
    lines = [
        f"\n## {table.title}\n",
        f"{table.stand_in}\n",
        f"{table.recipe['base']}, examples: {count}; {figures_of}, in percent: "
        + (
            "mean (standard deviation) of the seeds"
            if seeds > 1
            else "one seed with its 95% interval"
        )
        + f", gap in points.{missing}"
        + _bias(table)
        + "\n",
        "| model | sparsity | seeds | "
        + " | ".join(panels)
        + " | "
        + " | ".join(f"ID − {name}" for name in names[1:])
        + " |",
        "|---|--:|--:|" + "---|" * (len(panels) + len(names) - 1),
    ]
    for (series, level), part in spread.groupby(["series", "sparsity"], sort=False):
        rows = [part[part["set"] == name].iloc[0] for name in panels]
        lines.append(
            f"| {series} | {level:g}% | {rows[0]['seeds']} | "
            + " | ".join(map(_spread, rows))
            + " | "
            + " | ".join(f"{row['gap']:.1f}" for row in rows[1 : len(names)])
            + " |"
        )
    for name in names:
        lines += _differences(table, name)
    return "\n".join(lines) + "\n" + _untrained(table, studies)


def _bias(table: SubnetworkTable) -> str:
    if not table.bias:
        return ""
    return (
        f" The bias model ({table.bias['features']}) classifies "
        f"{share(Rate(**table.bias['acc']))}% correctly by itself."
    )


def _spread(row: Any) -> str:
    if row["seeds"] > 1:
        return f"{row['mean']:.1f} ({row['sd']:.1f})"
    return f"{row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def _differences(subnetwork_table: SubnetworkTable, name: str) -> list[str]:
    table = subnetworks.differences(subnetwork_table, name)
    if table.empty:
        return []
    return [
        f"\nOne factor changed, {name}: accuracy of the second minus the first's on the same "
        f"{table['n'].iloc[0]:,} examples, in points, with 95% intervals over the examples.\n",
        "| sparsity | second | minus | difference |",
        "|--:|---|---|---|",
        *(
            f"| {row.sparsity:g}% | {row.second} | {row.minus} | {row.difference:+.1f} "
            f"[{row.low:+.1f}, {row.high:+.1f}] |"
            for row in table.itertuples()
        ),
    ]

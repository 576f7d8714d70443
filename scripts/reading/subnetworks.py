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
    found: SubnetworkTable, studies: Iterable[Study]
) -> list[tuple[SubnetworkRun, Study, Statistic]]:
    """Every trained subnetwork of the embedded victim, and how much more often the default, which
    trains nothing, is right on the same rows; nothing where the table's dense model is another one.
    """
    wanted = {
        "model": START,
        "method": "adaptive",
        "pattern": "unstructured",
        "attack": "deepwordbug",
        "seed": 0,
    }
    mine = [study for study in about(studies, **wanted) if usual(study)]
    dense = next((run for run in found.runs if run.sparsity == 0), None)
    if dense is None:
        return []
    for study in mine:
        level, n = study.level(0.0), study.about["counts"]["evaluation"]
        if level is None or right(level, n) != list(dense.inside.correct):
            continue  # another model, or other rows
        return [
            (run, study, paired_difference([list(run.inside.correct)], [right(there, n)]))
            for run in found.runs
            if run.sparsity > 0 and (there := study.level(run.sparsity)) is not None
        ]
    return []


def _untrained(found: SubnetworkTable, studies: Sequence[Study]) -> str:
    lines = [
        [
            series(found, run),
            level_name(run.sparsity),
            bare(study.level(run.sparsity).acc),
            points(difference),
        ]
        for run, study, difference in untrained(found, studies)
    ]
    if not lines:
        return ""
    return (
        "\nThe default prunes the same model without any training: its accuracy minus theirs on "
        "the same rows, in points.\n\n"
        + rows(["model", "sparsity", "Acc of the default", "the default − it"], lines)
    )


def series(found: SubnetworkTable, run: SubnetworkRun) -> str:
    """What the page calls a subnetwork."""
    table = subnetworks.spread_table(found)
    return str(table[table["cell"] == run.cell]["series"].iloc[0])


def section(found: SubnetworkTable, studies: Sequence[Study] = ()) -> str:
    """One table of subnetworks: means over the seeds, and what one change does on the same rows."""
    names, spread = subnetworks.sets_of(found), subnetworks.spread_table(found)
    panels = subnetworks.panels(found)
    seeds, count = (
        len({run.seed for run in found.runs}),
        ", ".join(f"{name} {n:,}" for name, n in found.rows.items()),
    )
    figures_of = ", ".join(
        f"{row.set}: {row.figure}" for row in spread.drop_duplicates("set").itertuples()
    )
    missing = (
        ""
        if len(found.runs) == found.planned
        else f" {len(found.runs)} of {found.planned} models are measured so far."
    )
    lines = [
        f"\n## {found.title}\n",
        f"{found.stand_in}\n",
        f"{found.recipe['base']}, rows: {count}; {figures_of}, in per cent: "
        + (
            "mean (standard deviation) of the seeds"
            if seeds > 1
            else "one seed with its 95 % interval"
        )
        + f", gap in points.{missing}"
        + _bias(found)
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
            f"| {series} | {level:g} % | {rows[0]['seeds']} | "
            + " | ".join(map(_spread, rows))
            + " | "
            + " | ".join(f"{row['gap']:.1f}" for row in rows[1 : len(names)])
            + " |"
        )
    for name in names:
        lines += _differences(found, name)
    return "\n".join(lines) + "\n" + _untrained(found, studies)


def _bias(found: SubnetworkTable) -> str:
    if not found.bias:
        return ""
    return (
        f" The bias model ({found.bias['features']}) is right on "
        f"{share(Rate(**found.bias['acc']))} alone."
    )


def _spread(row: Any) -> str:
    if row["seeds"] > 1:
        return f"{row['mean']:.1f} ({row['sd']:.1f})"
    return f"{row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def _differences(found: SubnetworkTable, name: str) -> list[str]:
    table = subnetworks.differences(found, name)
    if table.empty:
        return []
    return [
        f"\nOne thing changed, {name}: accuracy of the second minus the first's on the same "
        f"{table['n'].iloc[0]:,} rows, "
        "in points, 95 % over the rows.\n",
        "| sparsity | second | minus | difference |",
        "|--:|---|---|---|",
        *(
            f"| {row.sparsity:g} % | {row.second} | {row.minus} | {row.difference:+.1f} "
            f"[{row.low:+.1f}, {row.high:+.1f}] |"
            for row in table.itertuples()
        ),
    ]

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

START = "MiniLM-L6"  # the embedded model, as studies name it


def untrained(
    table: SubnetworkTable, studies: Iterable[Study]
) -> list[tuple[SubnetworkRun, Study, Statistic]]:
    """Every trained subnetwork of the embedded model, and how much more often the default, which
    trains nothing, is right on the same rows; nothing where the table's dense model is another one.
    """
    study = _default_of(table, studies)
    if study is None:
        return []
    return [
        (run, study, paired_difference([theirs], [ours]))
        for run, theirs, ours in untrained_pairs(table, [study])
    ]


def untrained_pairs(
    table: SubnetworkTable, studies: Iterable[Study]
) -> list[tuple[SubnetworkRun, list[bool], list[bool]]]:
    """The same, with the rows that each classifies correctly: theirs, then the default's."""
    study = _default_of(table, studies)
    if study is None:
        return []
    n = study.about["counts"]["evaluation"]
    return [
        (run, list(run.inside.correct), right(level, n))
        for run in table.runs
        if run.sparsity > 0 and (level := study.level(run.sparsity)) is not None
    ]


def _default_of(table: SubnetworkTable, studies: Iterable[Study]) -> Study | None:
    """The default's study of the model that a table starts from, on the same rows."""
    settings = {
        "model": START,
        "method": "adaptive",
        "pattern": "unstructured",
        "attack": "deepwordbug",
        "seed": 0,
    }
    dense = next((run for run in table.runs if run.sparsity == 0), None)
    if dense is None:
        return None
    for study in about(studies, **settings):
        level, n = study.level(0.0), study.about["counts"]["evaluation"]
        if usual(study) and level is not None and right(level, n) == list(dense.inside.correct):
            return study
    return None


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

"""A table of subnetworks: full models, searches from them at several sparsities, each measured in
and out of distribution.

<out>/bias/                       the bias model's predictions for the training examples
<out>/models/<seed>-<cell>-<key>  every model, an ordinary folder
<out>/results/                    what each reached, by content
<out>/table.json                  the recipe and all that is measured so far
"""

from pathlib import Path
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.subnetworks.protocol_records import Cell, Protocol
from prunescope.engine.subnetworks.table_data import (
    Reports,
    TableContext,
    examples_of,
    prepare_table,
)
from prunescope.engine.subnetworks.table_models import train_spec_of
from prunescope.engine.subnetworks.table_results import measured_cell, result_path, write_table
from prunescope.engine.training.members import Say, ignore_notice

PASSES = 3  # forward passes that a training step's example counts as
QUERIES = 30  # and an attacked example


def run_protocol(
    protocol: Protocol,
    root: Path,
    out: Path,
    *,
    seeds: tuple[int, ...] | None = None,
    cells: tuple[str, ...] | None = None,
    device: str = "auto",
    resources: str | None = None,
    report: Progress = SILENT,
    say: Say = ignore_notice,
) -> dict[str, Any]:
    """Do every cell that is not done yet and write the table; returns what it holds.

    `seeds` and `cells` do some of the recipe's alone, so that several processes can share a table.
    Raises InputError before any training on what cannot be used; InterruptedStudy from `report`
    leaves what is finished, and a checkpoint.
    """
    if wrong := sorted(set(seeds or ()) - set(protocol.seeds)):
        raise SettingError(
            f"The recipe has no seed {wrong[0]}; it has {', '.join(map(str, protocol.seeds))}."
        )
    if unknown := sorted(set(cells or ()) - {cell.name for cell in protocol.cells}):
        raise SettingError(
            f"The recipe has no cell {unknown[0]}; it has "
            f"{', '.join(cell.name for cell in protocol.cells)}."
        )
    context = prepare_table(protocol, root, out, device, resources, report, say)
    seeds = seeds or protocol.seeds
    due = [
        (seed, cell, sparsity)
        for seed in seeds
        for cell, sparsity in protocol.each()
        if (cells is None or cell.name in cells) and (cell.model is None or seed == seeds[0])
    ]
    work = [_work(context, cell, sparsity, seed) for seed, cell, sparsity in due]
    parts = report.each(work, list(map(sum, work)), number=True)
    for number, (shares, part) in enumerate(parts):
        seed, cell, sparsity = due[number]
        context.reports = Reports(*(progress for _, progress in part.each(shares, shares)))
        entry = measured_cell(context, cell, sparsity, seed)
        say(
            f"{number + 1} of {len(due)}: seed {seed}, {cell.label(sparsity)}: ID "
            f"{_headline(entry['id'])}, "
            + ", ".join(f"{shifted['name']} {_headline(shifted)}" for shifted in entry["ood"])
        )
    return write_table(context)


def _work(context: TableContext, cell: Cell, sparsity: float, seed: int) -> tuple[int, int, int]:
    """What training, reading and attacking a cell take, roughly, in rows through the model; nothing
    where it is done.
    """
    if result_path(context, cell, sparsity, seed).is_file():
        return 0, 0, 0
    attack, inside = context.protocol.attack, len(context.inside.examples)
    read = inside + sum(len(shifted.examples) for shifted in context.outside)
    attacked = QUERIES * min(int(attack["examples"]), inside) if attack else 0
    if cell.model is not None:
        return 0, read, attacked
    train, rows = train_spec_of(context, cell, seed), len(examples_of(context, cell))
    climbs = 1 if train.adversarial == "none" else 1 + train.adv_steps
    return round(PASSES * climbs * train.epochs * rows), read, attacked


def _headline(result: dict[str, Any]) -> str:
    return f"{100 * result[result['metric']]['value']:.1f}"

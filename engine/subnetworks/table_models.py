"""The models of a table of subnetworks: the key of each cell's model, and its training."""

import time
from dataclasses import asdict, replace
from pathlib import Path

from prunescope.engine.errors import DataError
from prunescope.engine.models.classes import in_order
from prunescope.engine.models.victim import load_victim
from prunescope.engine.store import key_of, write_atomic
from prunescope.engine.subnetworks.protocol_records import Cell
from prunescope.engine.subnetworks.run import find_subnetwork
from prunescope.engine.subnetworks.snapshots import snapshot_at
from prunescope.engine.subnetworks.table_data import TableContext, examples_of, inputs_of
from prunescope.engine.training.finetune import split_for_stopping
from prunescope.engine.training.spec import TrainSpec


def model_key(context: TableContext, cell: Cell, sparsity: float, seed: int) -> str:
    """Everything that decides a cell's model, the cells it builds on included; found once, it
    hashes models and all examples.
    """
    which = (cell.name, sparsity, seed)
    if which not in context.keys:
        context.keys[which] = _new_key(context, cell, sparsity, seed)
    return context.keys[which]


def _new_key(context: TableContext, cell: Cell, sparsity: float, seed: int) -> str:
    if cell.model is not None:
        return key_of(
            {
                "model": in_order(
                    load_victim(cell.model, "cpu"), context.protocol.label_names
                ).fingerprint
            }
        )
    before = {
        name + value.partition("@")[2]: model_key(
            context, *context.protocol.cell(value, sparsity), seed
        )
        for name in ("start", "mask_from", "teacher")
        if (value := getattr(cell, name))
    }
    return key_of(
        {
            "train": asdict(train_spec_of(context, cell, seed)),
            "subnetwork": asdict(replace(cell.subnetwork, sparsity=sparsity)),
            "shared": inputs_of(
                context, cell, sparsity, lambda name, sparsity: name
            ).shared.identity(cell.train),
            "before": before,
            "bias": context.bias.sha256 if context.bias and cell.subnetwork.loss != "ce" else None,
        }
    )


def train_spec_of(context: TableContext, cell: Cell, seed: int) -> TrainSpec:
    """How a cell is trained, with its number of steps as epochs."""
    train = replace(cell.train, seed=seed)
    if cell.steps is None:
        return train
    rows = len(split_for_stopping(examples_of(context, cell), train)[0])
    return replace(train, epochs=cell.steps / -(-rows // train.batch_size))


def model_of(context: TableContext, cell: Cell, sparsity: float, seed: int) -> tuple[str, float]:
    """(the name of a cell's model, seconds it took), made now where it is not there."""
    if cell.model is not None:
        return cell.model, 0.0
    folder = (
        context.out
        / "models"
        / f"{seed}-{cell.label(sparsity)}-{model_key(context, cell, sparsity, seed)[:10]}"
    )
    timed = folder.with_name(f"{folder.name}.seconds")
    if not folder.is_dir():

        def before(name: str, sparsity: float) -> str:
            model = model_of(context, *context.protocol.cell(name, sparsity), seed)[0]
            return _on_the_way(Path(model), float(name.split("@")[1])) if "@" in name else model

        inputs = replace(
            inputs_of(context, cell, sparsity, before),
            snapshots=context.protocol.snapshots(cell.name),
        )
        start = time.monotonic()
        spec = replace(cell.subnetwork, sparsity=sparsity)
        find_subnetwork(
            spec,
            train_spec_of(context, cell, seed),
            inputs,
            folder,
            context.reports.train,
            context.say,
        )
        write_atomic(timed, f"{time.monotonic() - start:.1f}".encode())
    return str(folder.resolve()), float(timed.read_text()) if timed.is_file() else 0.0


def _on_the_way(model: Path, share: float) -> str:
    """The folder of a full model as it was at a share of its steps. Raises DataError where it was
    not written.
    """
    if (folder := snapshot_at(model, share)) is None:
        raise DataError(
            f"{model} was trained without being written at {share:g} of its steps; remove it, and "
            "it is trained again."
        )
    return str(folder)

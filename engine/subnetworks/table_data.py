"""What a table of subnetworks works with: examples, shifted sets, bias model and attack, loaded and
checked before any training.
"""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prunescope.engine.attacks.recipes import attack_identity, check_attack, check_ready
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.data import Examples, check_labels, fit_examples, sample
from prunescope.engine.data.draw import drawn_rows
from prunescope.engine.data.tables import labelled_rows
from prunescope.engine.errors import DataError
from prunescope.engine.evaluation.shift import ShiftedSet, load_shifted, own_set
from prunescope.engine.models.base import open_base
from prunescope.engine.models.victim import pick_device
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.store.locks import hold_lock
from prunescope.engine.subnetworks.bias import BiasPredictions, BiasSpec, make_bias, read_bias
from prunescope.engine.subnetworks.protocol_records import Cell, Protocol
from prunescope.engine.subnetworks.search_inputs import SearchInputs, check_inputs
from prunescope.engine.training.finetune import TrainingSetup
from prunescope.engine.training.members import Say, ignore_notice


@dataclass(frozen=True, slots=True)
class Reports:
    """Whom the parts of one cell's work tell how far they are."""

    train: Progress = SILENT
    read: Progress = SILENT
    attack: Progress = SILENT


@dataclass(slots=True)
class TableContext:
    """Everything a table works with, loaded and checked before any training."""

    protocol: Protocol
    shared: TrainingSetup
    inside: ShiftedSet
    outside: list[ShiftedSet]
    bias: BiasPredictions | None
    out: Path
    extra: dict[str, Examples]  # by cell: rows it also trains on
    # everything that decides an attack's result beside the model and the texts
    attack: dict[str, Any] | None
    resources: str | None
    say: Say
    reports: Reports = field(default_factory=Reports)
    # of the cells' models, which take seconds to find
    keys: dict[tuple[str, float, int], str] = field(default_factory=dict)


def prepare_table(
    protocol: Protocol,
    root: Path,
    out: Path,
    device: str = "auto",
    resources: str | None = None,
    report: Progress = SILENT,
    say: Say = ignore_notice,
) -> TableContext:
    """Load and check all examples, sets and settings; the bias model is made where its predictions
    are missing.
    """
    train = _labelled(_local_file(root, protocol.train), protocol, say, **protocol.columns)
    evaluation = _labelled(
        _local_file(root, protocol.evaluation), protocol, say, **protocol.columns
    )
    check_labels(train, len(protocol.label_names), protocol.train)
    if (train.pairs is None) != (evaluation.pairs is None):
        raise DataError(
            f"Only one of {protocol.train} and {protocol.evaluation} holds pairs; name columns "
            "that both have."
        )
    attacked = int(protocol.attack["examples"]) if protocol.attack else 0
    evaluated, attacked_rows = drawn_rows(evaluation, protocol.evaluated, attacked, 0)
    outside = [
        _set(shifted, protocol, root, train.pairs is not None, say) for shifted in protocol.ood
    ]
    judged = set(evaluated.row_keys()).union(*(shifted.examples.row_keys() for shifted in outside))
    train = train.take([row for row, key in enumerate(train.row_keys()) if key not in judged])
    attack = _attack(protocol, attacked_rows, resources)
    shared = _setup(protocol, train, device, say)
    bias = _bias(protocol.bias, train, evaluation, out / "bias", report) if protocol.bias else None
    extra = {
        cell.name: _extra(cell, protocol, root, judged, say)
        for cell in protocol.cells
        if cell.extra
    }
    context = TableContext(
        protocol,
        shared,
        own_set("ID", evaluated, len(protocol.label_names), protocol.metric),
        outside,
        bias,
        out,
        extra,
        attack,
        resources,
        say,
    )
    for cell, sparsity in protocol.each():
        check_inputs(
            replace(cell.subnetwork, sparsity=sparsity),
            cell.train,
            inputs_of(context, cell, sparsity, lambda name, sparsity: name),
        )
    return context


def _setup(protocol: Protocol, train: Examples, device: str, say: Say) -> TrainingSetup:
    """What all trainings of the table have in common."""
    base = open_base(protocol.base)
    for notice in base.notices:
        say(notice)
    return TrainingSetup(
        base,
        train,
        protocol.label_names,
        max_tokens=protocol.max_tokens,
        device=str(pick_device(device)),
        precision=protocol.precision,
    )


def _labelled(file: str, protocol: Protocol, say: Say, **columns: Any) -> Examples:
    """The rows of a file in the numbering of the recipe. Raises DataError where nothing says which
    class a label is.
    """
    rows = labelled_rows(file, **columns)
    examples, notices = fit_examples(
        rows.examples, rows.classes, protocol.label_names, "the recipe", file
    )
    for notice in (*rows.notices, *notices):
        say(notice)
    return examples


def _attack(
    protocol: Protocol, rows: tuple[int, ...], resources: str | None
) -> dict[str, Any] | None:
    """What is attacked and how. Raises SettingError or ResourceError where the attack is unknown or
    lacks something.
    """
    if (attack := protocol.attack) is None:
        return None
    check_attack(attack["name"])
    check_ready(attack["name"], resources)
    return {**attack_identity(attack["name"], find_resources(resources)), "examples": list(rows)}


def _local_file(root: Path, name: str) -> str:
    """A file of the recipe: under the data folder where it is there, else as it is named (a hub
    name or a path).
    """
    return str(root / name) if (root / name).exists() else name


def _set(
    entry: dict[str, Any], protocol: Protocol, root: Path, pairs: bool, say: Say
) -> ShiftedSet:
    examples = load_shifted(
        _local_file(root, entry["data"]),
        protocol.label_names,
        task=entry.get("task"),
        label_map=entry.get("label_map"),
        pairs=pairs,
        name=entry.get("name"),
        metric=entry.get("metric"),
    )
    for notice in examples.notices:
        say(notice)
    column, most = entry.get("of_each", (None, 0))
    if column is not None:
        values = examples.column(column)
        rows = [
            i
            for value in sorted(set(values))
            for i in _drawn(
                [row for row, cell_value in enumerate(values) if cell_value == value], most
            )
        ]
        return examples.take(sorted(rows))
    return examples.take(sample(examples.examples, entry.get("rows", len(examples.examples)), 0))


def _drawn(rows: list[int], most: int) -> list[int]:
    return random.Random(0).sample(rows, min(most, len(rows)))


def _bias(
    spec: BiasSpec, train: Examples, evaluation: Examples, folder: Path, report: Progress
) -> BiasPredictions:
    with hold_lock(folder.with_name("bias.lock"), report):  # several processes may share a table
        if folder.is_dir():
            about = json.loads((folder / "bias.json").read_text(encoding="utf-8"))
            identity = {**spec.identity(), "data": train.fingerprint()}
            if {name: about.get(name) for name in identity} == identity:
                return read_bias(folder)
            shutil.rmtree(folder)  # of other rows or settings; nothing else is in it
        make_bias(spec, train, evaluation, folder, report)
        return read_bias(folder)


def _extra(
    cell: Cell, protocol: Protocol, root: Path, judged: set[tuple[str, str]], say: Say
) -> Examples:
    """Further training examples, in the model's classes; rows that are evaluated are left out."""
    parts = []
    for entry in cell.extra:
        file, labels = _local_file(root, entry["data"]), entry.get("labels")
        if labels:
            read = labelled_rows(file)
            for notice in read.notices:
                say(notice)
            examples = read.examples
        else:
            examples = _labelled(file, protocol, say)
        if labels and (odd := [label for label in examples.labels if not 0 <= label < len(labels)]):
            raise DataError(
                f"{file} has the label {odd[0]} and the recipe says only what the labels 0 to "
                f"{len(labels) - 1} are; give its labels one number for each."
            )
        rows = [row for row, key in enumerate(examples.row_keys()) if key not in judged]
        part = examples.take(rows * int(entry.get("repeat", 1)))
        parts.append(
            replace(part, labels=tuple(labels[label] for label in part.labels)) if labels else part
        )
    return joined(parts)


def joined(parts: list[Examples]) -> Examples:
    """All examples, one part after the other. Raises DataError where only some are pairs."""
    return replace(Examples.join(parts), columns=None)  # which never entered a cell's key


def examples_of(context: TableContext, cell: Cell) -> Examples:
    """What a cell trains on."""
    return (
        joined([context.shared.data, context.extra[cell.name]])
        if cell.extra
        else context.shared.data
    )


def inputs_of(
    context: TableContext, cell: Cell, sparsity: float, folder: Callable[[str, float], str]
) -> SearchInputs:
    """What a cell's search works with; `folder` says where another cell's model is."""
    shared = replace(context.shared, data=examples_of(context, cell))
    start, mask, teacher = (
        folder(value, sparsity) if value else None
        for value in (cell.start, cell.mask_from, cell.teacher)
    )
    return SearchInputs(
        shared, start, mask, None if cell.subnetwork.loss == "ce" else context.bias, teacher
    )

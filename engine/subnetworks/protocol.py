"""A table of subnetworks: full models, searches from them at several sparsities, each measured in
and out of distribution.

<out>/bias/                      the bias model's predictions for the training rows
<out>/models/<seed>-<cell>-<key> every model, an ordinary folder <out>/results/
what each reached, by content <out>/table.json                 the recipe and all that is measured
so far
"""

import json
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from prunescope.engine.attacks.metrics import attack_notices, attack_rates
from prunescope.engine.attacks.recipes import attack_identity, check_attack, check_ready
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.run import Attacker, attack_examples
from prunescope.engine.data import Examples, check_labels, fit_examples, sample
from prunescope.engine.data.draw import drawn_rows
from prunescope.engine.data.tables import labelled_rows
from prunescope.engine.errors import DataError, ModelError, SettingError
from prunescope.engine.evaluation.shift import ShiftedSet, generalisation, load_shifted, own_set
from prunescope.engine.models.base import open_base
from prunescope.engine.models.classes import check_classes, in_order
from prunescope.engine.models.victim import Victim, load_victim, pick_device
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.store import key_of, write_atomic
from prunescope.engine.store.locks import hold_lock
from prunescope.engine.subnetworks.bias import BiasPredictions, BiasSpec, make_bias, read_bias
from prunescope.engine.subnetworks.figures import TABLE
from prunescope.engine.subnetworks.protocol_file import Cell, Protocol
from prunescope.engine.subnetworks.run import Inputs, check, find_subnetwork
from prunescope.engine.subnetworks.snapshots import snapshot_at
from prunescope.engine.training.finetune import Shared, split_for_stopping
from prunescope.engine.training.members import Say, unsaid

PASSES = 3  # forward passes that a training step's row counts as
QUERIES = 30  # and an attacked row


@dataclass(frozen=True, slots=True)
class Reports:
    """Whom the parts of one cell's work tell how far they are."""

    train: Progress = SILENT
    read: Progress = SILENT
    attack: Progress = SILENT


@dataclass(slots=True)
class Prepared:
    """Everything a table works with, loaded and checked before any training."""

    protocol: Protocol
    shared: Shared
    inside: ShiftedSet
    outside: list[ShiftedSet]
    bias: BiasPredictions | None
    out: Path
    extra: dict[str, Examples]  # by cell: rows it also trains on
    attack: (
        dict[str, Any] | None
    )  # everything that decides an attack's result beside the model and the texts
    resources: str | None
    say: Say
    reports: Reports = field(default_factory=Reports)
    keys: dict[tuple[str, float, int], str] = field(
        default_factory=dict
    )  # of the cells' models, which take seconds to find


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
    say: Say = unsaid,
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
    ready = prepare(protocol, root, out, device, resources, report, say)
    seeds = seeds or protocol.seeds
    wanted = [
        (seed, cell, sparsity)
        for seed in seeds
        for cell, sparsity in protocol.each()
        if (cells is None or cell.name in cells) and (cell.model is None or seed == seeds[0])
    ]
    work = [_work(ready, cell, sparsity, seed) for seed, cell, sparsity in wanted]
    parts = report.each(work, list(map(sum, work)), number=True)
    for number, (shares, part) in enumerate(parts):
        seed, cell, sparsity = wanted[number]
        ready.reports = Reports(*(progress for _, progress in part.each(shares, shares)))
        entry = _result(ready, cell, sparsity, seed)
        say(
            f"{number + 1} of {len(wanted)}: seed {seed}, {cell.label(sparsity)}: ID "
            f"{_told(entry['id'])}, "
            + ", ".join(f"{one['name']} {_told(one)}" for one in entry["ood"])
        )
    return write_table(ready)


def _work(ready: Prepared, cell: Cell, sparsity: float, seed: int) -> tuple[int, int, int]:
    """What training, reading and attacking a cell take, roughly, in rows through the model; nothing
    where it is done.
    """
    if _result_path(ready, cell, sparsity, seed).is_file():
        return 0, 0, 0
    attack, inside = ready.protocol.attack, len(ready.inside.examples)
    read = inside + sum(len(one.examples) for one in ready.outside)
    attacked = QUERIES * min(int(attack["examples"]), inside) if attack else 0
    if cell.model is not None:
        return 0, read, attacked
    train, rows = _seeded(ready, cell, seed), len(_rows(ready, cell))
    climbs = 1 if train.adversarial == "none" else 1 + train.adv_steps
    return round(PASSES * climbs * train.epochs * rows), read, attacked


def _told(one: dict[str, Any]) -> str:
    return f"{100 * one[one['metric']]['value']:.1f}"


def prepare(
    protocol: Protocol,
    root: Path,
    out: Path,
    device: str = "auto",
    resources: str | None = None,
    report: Progress = SILENT,
    say: Say = unsaid,
) -> Prepared:
    """Load and check all rows, sets and settings; the bias model is made where its predictions are
    missing.
    """
    train = _labelled(_found(root, protocol.train), protocol, say, **protocol.columns)
    held = _labelled(_found(root, protocol.evaluation), protocol, say, **protocol.columns)
    check_labels(train, len(protocol.label_names), protocol.train)
    if (train.pairs is None) != (held.pairs is None):
        raise DataError(
            f"Only one of {protocol.train} and {protocol.evaluation} holds pairs; name columns "
            "that both have."
        )
    attacked = int(protocol.attack["examples"]) if protocol.attack else 0
    evaluated, attacked_rows = drawn_rows(held, protocol.evaluated, attacked, 0)
    outside = [_set(one, protocol, root, train.pairs is not None, say) for one in protocol.ood]
    judged = set(evaluated.row_keys()).union(*(one.examples.row_keys() for one in outside))
    train = train.take([row for row, key in enumerate(train.row_keys()) if key not in judged])
    attack = _attack(protocol, attacked_rows, resources)
    base = open_base(protocol.base)
    for notice in base.notices:
        say(notice)
    shared = Shared(
        base,
        train,
        protocol.label_names,
        0,
        protocol.max_tokens,
        str(pick_device(device)),
        protocol.precision,
    )
    bias = _bias(protocol.bias, train, held, out / "bias", report) if protocol.bias else None
    extra = {
        cell.name: _extra(cell, protocol, root, judged, say)
        for cell in protocol.cells
        if cell.extra
    }
    ready = Prepared(
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
        check(
            replace(cell.subnetwork, sparsity=sparsity),
            cell.train,
            _inputs(ready, cell, sparsity, lambda name, sparsity: name),
        )
    return ready


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
    if (told := protocol.attack) is None:
        return None
    check_attack(told["name"])
    check_ready(told["name"], resources)
    return {**attack_identity(told["name"], find_resources(resources)), "examples": list(rows)}


def _found(root: Path, name: str) -> str:
    """A file of the recipe: under the data folder where it is there, else as it is named (a hub
    name or a path).
    """
    return str(root / name) if (root / name).exists() else name


def _set(
    entry: dict[str, Any], protocol: Protocol, root: Path, pairs: bool, say: Say
) -> ShiftedSet:
    given = load_shifted(
        _found(root, entry["data"]),
        protocol.label_names,
        task=entry.get("task"),
        label_map=entry.get("label_map"),
        pairs=pairs,
        name=entry.get("name"),
        metric=entry.get("metric"),
    )
    for notice in given.notices:
        say(notice)
    column, most = entry.get("of_each", (None, 0))
    if column is not None:
        values = given.column(column)
        rows = [
            i
            for value in sorted(set(values))
            for i in _drawn([row for row, one in enumerate(values) if one == value], most)
        ]
        return given.take(sorted(rows))
    return given.take(sample(given.examples, entry.get("rows", len(given.examples)), 0))


def _drawn(rows: list[int], most: int) -> list[int]:
    return random.Random(0).sample(rows, min(most, len(rows)))


def _bias(
    spec: BiasSpec, train: Examples, held: Examples, folder: Path, report: Progress
) -> BiasPredictions:
    with hold_lock(folder.with_name("bias.lock"), report):  # several processes may share a table
        if folder.is_dir():
            about = json.loads((folder / "bias.json").read_text(encoding="utf-8"))
            wanted = {**spec.identity(), "data": train.fingerprint()}
            if {name: about.get(name) for name in wanted} == wanted:
                return read_bias(folder)
            shutil.rmtree(folder)  # of other rows or settings; nothing else is in it
        make_bias(spec, train, held, folder, report)
        return read_bias(folder)


def _extra(
    cell: Cell, protocol: Protocol, root: Path, judged: set[tuple[str, str]], say: Say
) -> Examples:
    """Further training rows, in the model's classes; rows that are evaluated are left out."""
    parts = []
    for entry in cell.extra:
        file, labels = _found(root, entry["data"]), entry.get("labels")
        if labels:
            read = labelled_rows(file)
            for notice in read.notices:
                say(notice)
            found = read.examples
        else:
            found = _labelled(file, protocol, say)
        if labels and (odd := [label for label in found.labels if not 0 <= label < len(labels)]):
            raise DataError(
                f"{file} has the label {odd[0]} and the recipe says only what the labels 0 to "
                f"{len(labels) - 1} are; "
                "give its labels one number for each."
            )
        rows = [row for row, key in enumerate(found.row_keys()) if key not in judged]
        part = found.take(rows * int(entry.get("repeat", 1)))
        parts.append(
            replace(part, labels=tuple(labels[label] for label in part.labels)) if labels else part
        )
    return joined(parts)


def joined(parts: list[Examples]) -> Examples:
    """All rows, one part after the other. Raises DataError where only some are pairs."""
    return replace(Examples.join(parts), columns=None)  # which never entered a cell's key


def _rows(ready: Prepared, cell: Cell) -> Examples:
    """What a cell trains on."""
    return joined([ready.shared.data, ready.extra[cell.name]]) if cell.extra else ready.shared.data


def _inputs(
    ready: Prepared, cell: Cell, sparsity: float, folder: Callable[[str, float], str]
) -> Inputs:
    shared = replace(ready.shared, data=_rows(ready, cell))
    start, mask, teacher = (
        folder(value, sparsity) if value else None
        for value in (cell.start, cell.mask_from, cell.teacher)
    )
    return Inputs(
        shared, start, mask, None if cell.subnetwork.loss == "ce" else ready.bias, teacher
    )


def _key(ready: Prepared, cell: Cell, sparsity: float, seed: int) -> str:
    """Everything that decides a cell's model, the cells it builds on included; found once, it
    hashes models and all rows.
    """
    place = (cell.name, sparsity, seed)
    if place not in ready.keys:
        ready.keys[place] = _new_key(ready, cell, sparsity, seed)
    return ready.keys[place]


def _new_key(ready: Prepared, cell: Cell, sparsity: float, seed: int) -> str:
    if cell.model is not None:
        return key_of(
            {
                "model": in_order(
                    load_victim(cell.model, "cpu"), ready.protocol.label_names
                ).fingerprint
            }
        )
    before = {
        name + value.partition("@")[2]: _key(ready, *ready.protocol.cell(value, sparsity), seed)
        for name in ("start", "mask_from", "teacher")
        if (value := getattr(cell, name))
    }
    return key_of(
        {
            "train": asdict(_seeded(ready, cell, seed)),
            "subnetwork": asdict(replace(cell.subnetwork, sparsity=sparsity)),
            "shared": _inputs(ready, cell, sparsity, lambda name, sparsity: name).shared.identity(
                cell.train
            ),
            "before": before,
            "bias": ready.bias.sha256 if ready.bias and cell.subnetwork.loss != "ce" else None,
        }
    )


def _seeded(ready: Prepared, cell: Cell, seed: int) -> Any:
    train = replace(cell.train, seed=seed)
    if cell.steps is None:
        return train
    rows = len(split_for_stopping(_rows(ready, cell), train)[0])
    return replace(train, epochs=cell.steps / -(-rows // train.batch_size))


def _model(ready: Prepared, cell: Cell, sparsity: float, seed: int) -> tuple[str, float]:
    """(the name of a cell's model, seconds it took), made now where it is not there."""
    if cell.model is not None:
        return cell.model, 0.0
    folder = (
        ready.out
        / "models"
        / f"{seed}-{cell.label(sparsity)}-{_key(ready, cell, sparsity, seed)[:10]}"
    )
    timed = folder.with_name(f"{folder.name}.seconds")
    if not folder.is_dir():

        def before(name: str, sparsity: float) -> str:
            found = _model(ready, *ready.protocol.cell(name, sparsity), seed)[0]
            return _on_the_way(Path(found), float(name.split("@")[1])) if "@" in name else found

        given = replace(
            _inputs(ready, cell, sparsity, before), snapshots=ready.protocol.snapshots(cell.name)
        )
        start = time.monotonic()
        spec = replace(cell.subnetwork, sparsity=sparsity)
        find_subnetwork(
            spec, _seeded(ready, cell, seed), given, folder, ready.reports.train, ready.say
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
            "it is "
            "trained again."
        )
    return str(folder)


def _result(ready: Prepared, cell: Cell, sparsity: float, seed: int) -> dict[str, Any]:
    if (found := _stored(ready, cell, sparsity, seed)) is not None:
        return found
    model, seconds = _model(ready, cell, sparsity, seed)
    victim, names = load_victim(model, ready.shared.device), ready.protocol.label_names
    if victim.num_labels != len(names):
        raise ModelError(
            f"{model} has {victim.num_labels} classes and the recipe {len(names)}; name a model of "
            "this task."
        )
    check_classes(victim, names, model)
    victim = in_order(victim, names)
    weights = victim.prunable().values()
    one = cell.subnetwork
    entry = {
        "cell": cell.name,
        "method": one.method,
        "loss": one.loss,
        "schedule": one.growth,
        "init": one.init,
        "seed": seed,
        "adversarial": cell.train.adversarial,
        "rewind": one.rewind,
        "sparsity": sparsity if cell.sparse else 0.0,
        "seconds": seconds,
        "achieved": sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights),
        **generalisation(victim, ready.inside, ready.outside, ready.reports.read).payload(),
        **_attacked(ready, victim),
    }
    write_atomic(_result_path(ready, cell, sparsity, seed), json.dumps(entry).encode() + b"\n")
    return entry


def _stored(ready: Prepared, cell: Cell, sparsity: float, seed: int) -> dict[str, Any] | None:
    """A result that is there, by the name of this cell: two of them may be the same model."""
    path = _result_path(ready, cell, sparsity, seed)
    return (
        {**json.loads(path.read_text(encoding="utf-8")), "cell": cell.name}
        if path.is_file()
        else None
    )


def _attacked(ready: Prepared, victim: Victim) -> dict[str, Any]:
    """Accuracy under attack on rows drawn from the inside set, and how many of them were not
    attacked.
    """
    if ready.attack is None or ready.protocol.attack is None:
        return {"aua": None}
    attacker = Attacker(victim, ready.protocol.attack["name"], 0, ready.resources)
    rows = tuple(ready.attack["examples"])
    records = attack_examples(attacker, ready.inside.examples, rows, ready.reports.attack)
    for notice in (notices := attack_notices(records)):
        ready.say(notice)
    return {
        "aua": asdict(attack_rates(records)[0]),
        **({"attack_notices": list(notices)} if notices else {}),
    }


def write_table(ready: Prepared) -> dict[str, Any]:
    """`table.json` of all results that are there, in the recipe's order."""
    runs = []
    for cell, sparsity in ready.protocol.each():
        for seed in ready.protocol.seeds_of(cell):
            if (found := _stored(ready, cell, sparsity, seed)) is not None:
                runs.append(found)
    bias = ready.out / "bias" / "bias.json"
    table = {
        "recipe": ready.protocol.settings,
        "bias": json.loads(bias.read_text(encoding="utf-8")) if bias.is_file() else {},
        "rows": {
            "train": len(ready.shared.data),
            "ID": len(ready.inside.examples),
            **{one.name: len(one.examples) for one in ready.outside},
        },
        "base_sha256": ready.shared.base.sha256,
        "train_sha256": ready.shared.data.fingerprint(),
        "planned": sum(len(ready.protocol.seeds_of(cell)) for cell, _ in ready.protocol.each()),
        "runs": runs,
    }
    write_atomic(ready.out / TABLE, json.dumps(table, indent=1).encode() + b"\n")
    return table


def _result_path(ready: Prepared, cell: Cell, sparsity: float, seed: int) -> Path:
    key = key_of(
        {
            "model": _key(ready, cell, sparsity, seed),
            "inside": ready.inside.examples.fingerprint(),
            "outside": [
                [one.examples.fingerprint(), list(one.mapping), one.metric] for one in ready.outside
            ],
            "attack": ready.attack,
        }
    )
    return ready.out / "results" / f"{key}.json"

"""What the models of a table reach in and out of distribution and under attack, by content."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prunescope.engine.attacks.metrics import attack_notices, attack_rates
from prunescope.engine.attacks.run import Attacker, attack_examples
from prunescope.engine.errors import ModelError
from prunescope.engine.evaluation.shift import generalisation
from prunescope.engine.models.classes import check_classes, in_order
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.store import key_of, write_atomic
from prunescope.engine.subnetworks.figures import TABLE
from prunescope.engine.subnetworks.protocol_records import Cell
from prunescope.engine.subnetworks.table_data import TableContext
from prunescope.engine.subnetworks.table_models import model_key, model_of


def measured_cell(context: TableContext, cell: Cell, sparsity: float, seed: int) -> dict[str, Any]:
    """What the model of a cell reaches: stored, or measured now and stored. Raises ModelError."""
    if (stored := stored_result(context, cell, sparsity, seed)) is not None:
        return stored
    model, seconds = model_of(context, cell, sparsity, seed)
    victim, names = load_victim(model, context.shared.device), context.protocol.label_names
    if victim.num_labels != len(names):
        raise ModelError(
            f"{model} has {victim.num_labels} classes and the recipe {len(names)}; name a model of "
            "this task."
        )
    check_classes(victim, names, model)
    victim = in_order(victim, names)
    weights = victim.prunable().values()
    search = cell.subnetwork
    entry = {
        "cell": cell.name,
        "method": search.method,
        "loss": search.loss,
        "schedule": search.growth,
        "init": search.init,
        "seed": seed,
        "adversarial": cell.train.adversarial,
        "rewind": search.rewind,
        "sparsity": sparsity if cell.sparse else 0.0,
        "seconds": seconds,
        "achieved": sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights),
        **generalisation(victim, context.inside, context.outside, context.reports.read).payload(),
        **_attacked(context, victim),
    }
    write_atomic(result_path(context, cell, sparsity, seed), json.dumps(entry).encode() + b"\n")
    return entry


def stored_result(
    context: TableContext, cell: Cell, sparsity: float, seed: int
) -> dict[str, Any] | None:
    """A result that is there, by the name of this cell: two of them may be the same model."""
    path = result_path(context, cell, sparsity, seed)
    return (
        {**json.loads(path.read_text(encoding="utf-8")), "cell": cell.name}
        if path.is_file()
        else None
    )


def _attacked(context: TableContext, victim: Victim) -> dict[str, Any]:
    """Accuracy under attack on rows drawn from the inside set, and how many of them were not
    attacked.
    """
    if context.attack is None or context.protocol.attack is None:
        return {"aua": None}
    attacker = Attacker(victim, context.protocol.attack["name"], 0, context.resources)
    rows = tuple(context.attack["examples"])
    records = attack_examples(attacker, context.inside.examples, rows, context.reports.attack)
    for notice in (notices := attack_notices(records)):
        context.say(notice)
    return {
        "aua": asdict(attack_rates(records)[0]),
        **({"attack_notices": list(notices)} if notices else {}),
    }


def write_table(context: TableContext) -> dict[str, Any]:
    """`table.json` of all results that are there, in the recipe's order."""
    runs = []
    for cell, sparsity in context.protocol.each():
        for seed in context.protocol.seeds_of(cell):
            if (result := stored_result(context, cell, sparsity, seed)) is not None:
                runs.append(result)
    bias = context.out / "bias" / "bias.json"
    table = {
        "recipe": context.protocol.settings,
        "bias": json.loads(bias.read_text(encoding="utf-8")) if bias.is_file() else {},
        "rows": {
            "train": len(context.shared.data),
            "ID": len(context.inside.examples),
            **{shifted.name: len(shifted.examples) for shifted in context.outside},
        },
        "base_sha256": context.shared.base.sha256,
        "train_sha256": context.shared.data.fingerprint(),
        "planned": sum(len(context.protocol.seeds_of(cell)) for cell, _ in context.protocol.each()),
        "runs": runs,
    }
    write_atomic(context.out / TABLE, json.dumps(table, indent=1).encode() + b"\n")
    return table


def result_path(context: TableContext, cell: Cell, sparsity: float, seed: int) -> Path:
    """Where a result is stored, by everything that decides it."""
    key = key_of(
        {
            "model": model_key(context, cell, sparsity, seed),
            "inside": context.inside.examples.fingerprint(),
            "outside": [
                [shifted.examples.fingerprint(), list(shifted.mapping), shifted.metric]
                for shifted in context.outside
            ],
            "attack": context.attack,
        }
    )
    return context.out / "results" / f"{key}.json"

"""P1, Table 2: IMP and lottery tickets, with and without FreeLB, at 50%; and RobusT of Table 1.

Runs the shipped recipe `p1-adversarial` of `prunescope subnetworks` on each data set. Unlike
P1's, IMP starts from a fine-tuned model of its own and not from the average. All data sets have the
settings of SST-2: RobustT's paper learns the masks of AG News at a rate of .05, here .1, and reads
256 tokens of AG News and IMDB, here 128; P1 states neither. Needs a GPU, the hub, and TextFooler's
resources (`--resources`).
"""

import json
import sys
from typing import Any

from prunescope.engine.store import write_atomic
from prunescope.engine.subnetworks.protocol_file import protocol_path
from prunescope.runs.sizes import DataSet, Scale
from prunescope.runs.tables import Run, main

RECIPE = "p1-adversarial"
CELLS: dict[str, dict[str, Any]] = {
    "full": {"sparsities": [0.3, 0.5, 0.875]},
    "small": {"sparsities": [0.5], "train": {"epochs": 0.05, "patience": 0}},
}


def table(run: Run) -> None:
    """The commands, in order."""
    for data in run.sets:
        folder = run.work / data.name
        file = folder / "subnetworks.json"
        if not run.options.dry_run:
            text = json.dumps(recipe_for(run.scale, data), indent=1)
            write_atomic(file, text.encode() + b"\n")
        answer = run.command("subnetworks", recipe=file, data=run.work, out=folder / "subnetworks")
        for run_record in answer.get("runs", ()):
            rates = {"acc": run_record["id"]["accuracy"], "aua": run_record["aua"]}
            run.add((run_record["cell"], data.name, float(run_record["sparsity"])), rates)


def recipe_for(scale: Scale, data: DataSet) -> dict[str, Any]:
    """The shipped recipe with this scale's sizes, on another data set."""
    recipe: dict[str, Any] = json.loads(protocol_path(RECIPE).read_text(encoding="utf-8"))
    changes = CELLS[scale.name]
    for cell in recipe["cells"]:
        if "sparsities" in cell:
            cell["sparsities"] = changes["sparsities"]
        if "train" in changes:
            cell["train"] = cell.get("train", {}) | changes["train"]
    return recipe | {
        "title": f"Adversarial baselines: {data.name}",
        "base": scale.base,
        "label_names": list(data.labels),
        "train": f"{data.source}#train",
        "evaluation": data.source,
        "evaluated": data.evaluated,
        "ood": [],
        "seeds": list(scale.table_seeds),
        "attack": {"name": scale.attack, "examples": data.attacked},
    }


if __name__ == "__main__":
    sys.exit(main("p1_table2", __doc__, table))

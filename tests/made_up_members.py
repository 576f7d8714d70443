"""A made-up set of members with averages, written as `prunescope members` and `average` write
them.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prunescope.engine import Rate

SPEC: dict[str, Any] = {
    "learning_rate": 0.001,
    "epochs": 1.0,
    "batch_size": 32,
    "weight_decay": 0.01,
    "rank": 16,
    "seed": 1,
    "adversarial": "none",
    "optimizer": "adamw",
}


def rates(acc: int, aua: int | None) -> dict[str, Any]:
    return {
        "acc": asdict(Rate.of(acc, 500)),
        "aua": None if aua is None else asdict(Rate.of(aua, 100)),
    }


def write_members(
    folder: Path, attacked: bool = True, averages: tuple[str, ...] = ("uniform", "acc", "aua")
) -> Path:
    """Four members, one of them diverged, under `folder`; returns it."""
    singles = {"ce-1": (450, 12), "freelb-1": (445, 20), "ce-2": (440, 9)}
    scores = {name: rates(acc, aua if attacked else None) for name, (acc, aua) in singles.items()}
    members = [
        {
            "name": name,
            "spec": {"name": name, **SPEC},
            "status": "trained",
            "reason": "",
            "averaged": name != "ce-2",
            **scores[name],
        }
        for name in singles
    ]
    members.append(
        {
            "name": "wild",
            "spec": {"name": "wild", **SPEC},
            "status": "diverged",
            "reason": "wild diverged at step 3.",
            "averaged": False,
            "acc": None,
            "aua": None,
        }
    )
    selection = {
        "rows": 500,
        "attack": "deepwordbug" if attacked else "none",
        "attacked": 100,
        "seed": 0,
        "data": None,
        "resources": None,
        "n": 500,
        "fingerprint": "0",
    }
    folder.mkdir(parents=True)
    manifest = {
        "base": "embedded",
        "data_name": "made-up",
        "about": "Made up.",
        "rows": 4000,
        "selection": selection,
        "members": members,
    }
    (folder / "members.json").write_text(json.dumps(manifest))
    order = [("freelb-1", True), ("ce-1", True), ("ce-2", False)]
    for by in averages:
        steps = [
            {
                "member": name,
                "taken": taken or by == "uniform",
                **rates(445 + place, 20 + 3 * place if attacked else None),
            }
            for place, (name, taken) in enumerate(order)
        ]
        kept = [step["member"] for step in steps if step["taken"]]
        record = {
            "by": by,
            "singles": scores,
            "steps": steps,
            "ingredients": kept,
            **rates(446, 23 if attacked else None),
        }
        (folder / f"average-{by}.json").write_text(json.dumps(record))
    return folder

"""A made-up table of subnetworks, written as `prunescope subnetworks` writes it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prunescope.engine import Rate

ROWS = 40


def figure(hits: int) -> dict[str, Any]:
    return asdict(Rate.of(hits, ROWS))


def measured(name: str, hits: int, groups: bool) -> dict[str, Any]:
    """A set of which the first `hits` rows are right."""
    right = sum(1 << (ROWS - 1 - row) for row in range(hits))
    found = (
        {"heuristic": {"lexical_overlap": figure(hits), "subsequence": figure(hits // 2)}}
        if groups
        else {}
    )
    return {
        "name": name,
        "metric": "accuracy",
        "accuracy": figure(hits),
        "f1_weighted": figure(hits),
        "f1_binary": figure(hits),
        "groups": found,
        "correct": right.to_bytes(ROWS // 8).hex(),
    }


def run(
    cell: str,
    method: str,
    loss: str,
    sparsity: float,
    seed: int,
    inside: int,
    outside: int,
    **more: Any,
) -> dict[str, Any]:
    return {
        "cell": cell,
        "method": method,
        "loss": loss,
        "schedule": "fixed",
        "init": "hard",
        "sparsity": sparsity,
        "achieved": sparsity,
        "seed": seed,
        "seconds": 12.5,
        "id": measured("ID", inside, False),
        "ood": [measured("HANS", outside, True)],
        "gaps": {"HANS": {"value": (inside - outside) / ROWS, "n": ROWS, "low": -0.1, "high": 0.6}},
        "aua": asdict(Rate.of(3 + seed, 10)),
        **more,
    }


def write_table(folder: Path, seeds: int = 2, **changes: Any) -> Path:
    """Full models, mask training with both losses and a gradual one under `folder`; returns it."""
    runs = []
    for seed in range(seeds):
        runs.append(run("full-ce", "full", "ce", 0.0, seed, 36 + seed, 22))
        for level, lost in ((0.5, 2), (0.9, 10)):
            runs.append(run("mask-ce", "mask", "ce", level, seed, 36 - lost, 22 - seed))
            runs.append(run("mask-poe", "mask", "poe", level, seed, 35 - lost, 26 - seed))
        runs.append(
            run(
                "mask-poe-gradual",
                "mask",
                "poe",
                0.9,
                seed,
                30,
                27,
                schedule="gradual",
                init="soft",
            )
        )
    table = {
        "recipe": {"title": "Made up", "base": "embedded", "stand_in": "Nothing here is real."},
        "rows": {"train": 4000, "ID": 40, "HANS": 40},
        "bias": {"features": "overlap", "rows": 4000, "acc": figure(18)},
        "planned": len(runs),
        "runs": runs,
        **changes,
    }
    folder.mkdir(parents=True)
    (folder / "table.json").write_text(json.dumps(table))
    return folder

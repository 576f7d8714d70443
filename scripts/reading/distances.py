"""P1's Table 4: how far [CLS] moves from the dense model's, block by block."""

import json
from typing import Any

from prunescope.engine.paths import BUNDLED
from prunescope.engine.reading.findings import ClaimTest
from prunescope.engine.reading.titles import method_name_title
from scripts.reading.words import level_name, rows

FILE = BUNDLED / "evidence" / "distances.json"
INTRODUCTION = """
## [CLS] block by block, on clean and adversarial text

Mean 1 − cos of [CLS] between the dense and the pruned model, on the {broken} of {examples} SST-2
sentences with which DeepWordBug succeeds against the dense model, before and after the attack;
the last block with its 95% bootstrap interval. P1's Table 4 is of one sentence, where the pruned
model's last block is nearer to dense on the adversarial text (.0349) than on the clean one
(.2231).

"""


def section() -> str:
    """Mean cosine distance a block, clean and adversarial text side by side."""
    if not FILE.is_file():
        return ""
    record = json.loads(FILE.read_text(encoding="utf-8"))
    blocks = len(record["series"][0]["cosine"])
    lines = [
        [
            method_name_title(entry["method"]),
            level_name(entry["sparsity"]),
            entry["text"],
            *_cells(entry["cosine"]),
        ]
        for entry in record["series"]
    ]
    header = ["method", "sparsity", "text", *(f"block {block + 1}" for block in range(blocks))]
    return INTRODUCTION.format(broken=record["broken"], examples=record["examples"]) + rows(
        header, lines
    )


def comparisons() -> dict[str, list[ClaimTest]]:
    """Method → the last block, adversarial against clean text; intervals that overlap show no
    difference.
    """
    if not FILE.is_file():
        return {}
    series = json.loads(FILE.read_text(encoding="utf-8"))["series"]
    last = {
        (entry["method"], entry["sparsity"], entry["text"]): entry["cosine"][-1] for entry in series
    }
    tests: dict[str, list[ClaimTest]] = {}
    for (method, sparsity, text), clean in last.items():
        if text != "clean":
            continue
        changed = last[method, sparsity, "adversarial"]
        tests.setdefault(method_name_title(method), []).append(
            ClaimTest(
                level_name(sparsity),
                f"{_bounds(changed)} adversarial, {_bounds(clean)} clean",
                f"{changed['value']:.4f} adversarial, {clean['value']:.4f} clean",
                1 if changed["value"] < clean["value"] else -1,
                outside=changed["high"] < clean["low"] or clean["high"] < changed["low"],
            )
        )
    return tests


def _bounds(mean: dict[str, float]) -> str:
    return f"{mean['value']:.4f} [{mean['low']:.4f}, {mean['high']:.4f}]"


def _cells(means: list[dict[str, Any]]) -> list[str]:
    """The last block with its interval."""
    last = means[-1]
    return [
        *(f"{mean['value']:.4f}" for mean in means[:-1]),
        _bounds(last),
    ]

"""P1's Table 4: how far [CLS] moves from the dense model's, block by block."""

import json
from typing import Any

from prunescope.engine.paths import BUNDLED
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


def _cells(means: list[dict[str, Any]]) -> list[str]:
    """The last block with its interval."""
    last = means[-1]
    return [
        *(f"{mean['value']:.4f}" for mean in means[:-1]),
        f"{last['value']:.4f} [{last['low']:.4f}, {last['high']:.4f}]",
    ]

"""P1's Table 4: how far [CLS] moves from the dense model's, block by block."""

import json
from typing import Any

from prunescope.engine.paths import BUNDLED
from prunescope.engine.pruning.methods import canonical_name
from scripts.reading.words import level_name, rows

FILE = BUNDLED / "evidence" / "distances.json"
INTRODUCTION = """
## [CLS] block by block, on clean and adversarial text

Mean 1 − cos of [CLS] between the dense model and the pruned one, on the {broken} of {examples} sentences of SST-2 dev with which
DeepWordBug breaks the dense model, as they are and as it leaves them; the last block with its 95 % bootstrap interval. P1's
Table 4 is of one sentence, where the pruned model's last block is nearer to dense on the adversarial text (.0349) than on the
clean one (.2231).

"""


def section() -> str:
    """Mean cosine distance a block, clean and adversarial text side by side."""
    if not FILE.is_file():
        return ""
    told = json.loads(FILE.read_text(encoding="utf-8"))
    blocks = len(told["series"][0]["cosine"])
    lines = [
        [
            canonical_name(one["method"]),
            level_name(one["sparsity"]),
            one["text"],
            *_cells(one["cosine"]),
        ]
        for one in told["series"]
    ]
    header = ["method", "sparsity", "text", *(f"block {block + 1}" for block in range(blocks))]
    return INTRODUCTION.format(broken=told["broken"], examples=told["examples"]) + rows(
        header, lines
    )


def _cells(means: list[dict[str, Any]]) -> list[str]:
    """The last block with its interval."""
    last = means[-1]
    return [
        *(f"{one['value']:.4f}" for one in means[:-1]),
        f"{last['value']:.4f} [{last['low']:.4f}, {last['high']:.4f}]",
    ]

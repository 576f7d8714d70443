"""P1, Table 5: 32 of every 64 weights, beside 50% anywhere.

EarlyRobust, which removes whole heads, is not run; 2:4 is not in P1. Needs a GPU, the hub, and
TextFooler's resources (`--resources`).
"""

import sys

from prunescope.runs.tables import Run, main

ROWS = (
    ("Ours", "paper", "unstructured"),
    ("Ours, 32:64", "paper", "32:64"),
    ("adaptive, 32:64", "adaptive", "32:64"),
    ("adaptive, 2:4", "adaptive", "2:4"),
)


def table(run: Run) -> None:
    """The commands, in order."""
    for data in run.sets:
        average = run.average(data)
        for seed in run.scale.seeds:
            for row, method, pattern in ROWS:
                run.study(
                    row, data, average, method=method, pattern=pattern, levels="0,0.5", seed=seed
                )


if __name__ == "__main__":
    sys.exit(main("p1_table5", __doc__, table))

"""P1, Table 3: BERT-large, 50%.

As Table 1, from bert-large-uncased. The rows of Bag-of-Tricks, RMC and RobusT are not run. Needs a
GPU, the hub, and TextFooler's resources (`--resources`).
"""

import sys

from prunescope.runs.tables import Run, main

LEVELS = "0,0.5"


def table(run: Run) -> None:
    """The commands, in order."""
    for data in run.sets:
        average = run.average(data)
        for seed in run.scale.seeds:
            for row, method in (("Ours", "paper"), ("adaptive (this project)", "adaptive")):
                run.study(row, data, average, method=method, levels=LEVELS, seed=seed)


if __name__ == "__main__":
    sys.exit(main("p1_table3", __doc__, table, base="bert-large-uncased"))

"""P1, Figure 4: Acc and Aua against sparsity, SST-2.

P1 draws a curve to 90% and prints no figures but those of its tables. Needs a GPU, the hub, and
TextFooler's resources (`--resources`).
"""

import sys

from prunescope.runs.tables import Run, main

LEVELS = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.75,0.8,0.875,0.9,0.95"


def table(run: Run) -> None:
    """The commands, in order."""
    for data in run.sets:
        average = run.average(data)
        for seed in run.scale.seeds:
            for row, method in (("Ours", "paper"), ("adaptive (this project)", "adaptive")):
                run.study(row, data, average, method=method, levels=LEVELS, seed=seed)


if __name__ == "__main__":
    sys.exit(main("p1_figure4", __doc__, table, sets=("sst2",)))

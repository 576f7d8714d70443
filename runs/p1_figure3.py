"""P1, Figure 3: Acc and Aua against the number of calibration texts, SST-2 at 50%.

Five draws of 16 to 2,048 texts. P1 draws a curve and prints no figures. Needs a GPU, the hub, and
TextFooler's resources (`--resources`).
"""

import sys
from typing import Any

from prunescope.runs.tables import Run, main

COUNTS = (16, 32, 64, 128, 256, 512, 1024, 2048)


def table(run: Run) -> None:
    """The commands, in order."""
    for data in run.sets:
        average = run.average(data)
        for count in COUNTS:
            for seed in run.scale.seeds:
                settings: dict[str, Any] = {"method": "paper", "levels": "0.5", "seed": seed}
                settings |= {"calibration": count, "force": True}
                run.study(f"Ours, {count} texts", data, average, **settings)


if __name__ == "__main__":
    sys.exit(main("p1_figure3", __doc__, table, sets=("sst2",)))

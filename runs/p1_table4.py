"""P1, Table 4: how far [CLS] moves from the dense model's, block by block.

P1 reads one sentence and its adversarial form and does not name its distance. Here are means, at
50%, of 1 − cos and of the Euclidean distance over all attacked texts on which the dense model
fails. P1 prints for its method .2231 on the clean sentence after the last block and .0349 on the
adversarial one. Needs a GPU, the hub, and TextFooler's resources (`--resources`).
"""

import sys

from prunescope.runs.tables import Run, main


def table(run: Run) -> None:
    """The commands, in order; each prints its own table."""
    for data in run.sets:
        average = run.average(data)
        for seed in run.scale.seeds:
            for method in ("paper", "adaptive"):
                settings = {"method": method, "levels": "0.5", "seed": seed}
                run.command("distances", **run.measured(data, average, **settings))


if __name__ == "__main__":
    sys.exit(main("p1_table4", __doc__, table, sets=("sst2",)))

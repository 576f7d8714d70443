"""The ablation that P1 lacks: Hessian, target, refit and residual, one by one.

Dense inputs or the pruned model's; no target, P1's, or the shrinkage toward W, with and without
refit and residual; then importance, and sparsity by equal loss; SST-2 at 50% and 87.5%. Needs a
GPU, the hub, and TextFooler's resources (`--resources`).
"""

import sys

from prunescope.runs.tables import Run, main

PLAIN = "adaptive:refit=none,residual=off,importance=off"
UNIFORM = {"allocation": "uniform"}
ROWS: tuple[tuple[str, dict[str, str]], ...] = (
    ("static", {"method": "static"}),
    ("adaptive Hessian alone", {"method": "sequential"}),
    ("adaptive Hessian and dense weight: the paper's", {"method": "paper"}),
    ("adaptive target, no refit, no residual", {"method": PLAIN, **UNIFORM}),
    (
        "adaptive target with residual",
        {"method": "adaptive:refit=none,importance=off", **UNIFORM},
    ),
    (
        "adaptive target with refit",
        {"method": "adaptive:residual=off,importance=off", **UNIFORM},
    ),
    ("adaptive target with both", {"method": "adaptive:importance=off", **UNIFORM}),
    ("the same, weighed by what reaches the last [CLS]", {"method": "adaptive", **UNIFORM}),
    ("adaptive (this project): and sparsity over layers by equal loss", {"method": "adaptive"}),
)


def table(run: Run) -> None:
    """The commands, in order."""
    for data in run.sets:
        average = run.average(data)
        for row, settings in ROWS:
            for seed in run.scale.seeds:
                run.study(row, data, average, levels="0,0.5,0.875", seed=seed, **settings)


if __name__ == "__main__":
    sys.exit(main("p1_ablation", __doc__, table, sets=("sst2",)))

"""P1, Tables 6 and 7: TextBugger and BERT-Attack at 50%, 75% and 87.5%.

The members are chosen under the attack of Table 1. What P1 calls BERT-Attack may be another recipe,
see docs/method.md on attacks and their resources; Movement Pruning is not run. P1 prints 75% and
87.5% for SST-2 alone. Needs a GPU, the hub, and the attacks' resources (`--resources`).
"""

import sys

from prunescope.runs.tables import Run, main

LEVELS = "0,0.5,0.75,0.875"
ATTACKS = {"full": ("textbugger", "bert-attack"), "small": ("pruthi", "textbugger-like")}


def table(run: Run) -> None:
    """The commands, in order."""
    attacks = (*ATTACKS[run.scale.name], run.scale.attack)
    rows = list(zip(("TextBugger", "BERT-Attack", "TextFooler"), attacks, strict=True))
    for data in run.sets:
        average = run.average(data)
        for seed in run.scale.seeds:
            for title, attack in rows:
                dense = f"Weight average, {title}"
                settings = {"method": "paper", "levels": LEVELS, "attack": attack, "seed": seed}
                run.study(f"Ours, {title}", data, average, dense, **settings)


if __name__ == "__main__":
    sys.exit(main("p1_table6", __doc__, table))

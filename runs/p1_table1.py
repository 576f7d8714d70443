"""P1, Table 1: dense models, and the average pruned to 30%, 50% and 87.5%.

The ten members of P1's Table 8, averaged greedily by Aua, are pruned by P1's method and by this
project's default; beside them a fine-tuned model and one trained with FreeLB. Texts are cut at 128
tokens, IMDB's too, of which P1 says nothing; epochs and rate of the two dense models are ours.
RobusT's row is in p1_table2. SuperTicket, Bag-of-Tricks and RMC are other people's programs and are
not run. Needs a GPU, the hub, and TextFooler's resources (`--resources`).
"""

import sys

from prunescope.runs.tables import Run, main

LEVELS = "0,0.3,0.5,0.875"


def table(run: Run) -> None:
    """The commands, in order."""
    for data in run.sets:
        average = run.average(data)
        plain = run.finetune(data, "fine-tuned")
        robust = run.finetune(data, "freelb", adversarial="freelb", adv_steps=3)
        for row, model in (("Fine-tune", plain), ("FreeLB", robust)):
            run.study(row, data, model, dense=row, levels="0", seed=0)
        for seed in run.scale.seeds:
            for row, method in (("Ours", "paper"), ("adaptive (this project)", "adaptive")):
                run.study(row, data, average, method=method, levels=LEVELS, seed=seed)


if __name__ == "__main__":
    sys.exit(main("p1_table1", __doc__, table))

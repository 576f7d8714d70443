"""Settings of the command `attack`: what is attacked, and on which victims."""

from dataclasses import dataclass
from typing import Annotated

from prunescope.engine.cli.settings import OUTPUT
from prunescope.engine.config.describe import Setting
from prunescope.engine.config.study import DATA

WHAT, FIXED_SET = "what to attack", "fixed adversarial set"
SPARSITY = 0.5  # of the pruned victim that a text is attacked on by default


@dataclass(frozen=True)
class TargetSettings:
    """One text, examples of a data set, or a fixed adversarial set; on one victim or two."""

    text: Annotated[
        str | None,
        Setting(
            "Text",
            "attack this text, on the dense victim and on the pruned one or `against`",
            "TEXT",
            WHAT,
        ),
    ] = None
    examples: Annotated[
        int | None,
        Setting("Examples", "attack so many evaluation examples of `data`", "N", WHAT, gt=0),
    ] = None
    set: Annotated[
        str | None,
        Setting(
            "Set",
            "read a fixed adversarial set: labelled texts (AdvGLUE), clean and adversarial texts "
            "side by side, or a log of attacks such as TextAttack's CSV",
            "FILE",
            WHAT,
        ),
    ] = None
    label: Annotated[
        str | None,
        Setting(
            "Label",
            "true label of `text`, a number or a class's name",
            "LABEL",
            WHAT,
            default="what the first victim says",
        ),
    ] = None
    against: Annotated[
        str | None,
        Setting(
            "Against",
            "a second model, given the same examples and compared with the first",
            "MODEL",
            DATA,
        ),
    ] = None
    sparsity: Annotated[
        float | None,
        Setting(
            "Sparsity",
            "compare with the first model pruned at this sparsity",
            "SHARE",
            DATA,
            ge=0,
            lt=1,
            default=f"with --text {SPARSITY:g}",
        ),
    ] = None
    log: Annotated[
        str | None,
        Setting(
            "Log",
            "with `examples`: write texts and outcomes as TextAttack's CSV or as JSON, by the "
            "suffix; those of a second victim go to FILE with -against before it",
            "FILE",
            OUTPUT,
        ),
    ] = None
    task: Annotated[
        str | None,
        Setting(
            "Task",
            "with `set`: examples of this task, such as sst2, and what their labels mean",
            "TASK",
            FIXED_SET,
        ),
    ] = None

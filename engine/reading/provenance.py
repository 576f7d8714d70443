"""Where numbers come from, for the head of an exported file."""

from collections.abc import Sequence

from prunescope.engine.reading import commands
from prunescope.engine.reading.names import full_name
from prunescope.engine.reading.titles import attack_title, data_title, method_title
from prunescope.engine.records import Study


def provenance(studies: Sequence[Study]) -> dict[str, object]:
    """One entry a fact: which studies, their keys, seeds and machines, and how to repeat them."""
    machines = dict.fromkeys(machine for study in studies for machine in study.machines)
    repeats = (
        commands.shell(commands.repeat_command(study, [level.sparsity for level in study.levels]))
        for study in studies
    )
    return {
        "made by": "PruneScope",
        "study": "; ".join(map(full_name, studies)),
        "data": "; ".join(dict.fromkeys(data_title(study.about["data"]) for study in studies)),
        "method": "; ".join(dict.fromkeys(method_title(study.about) for study in studies)),
        "examples": "; ".join(dict.fromkeys(map(_examples, studies))),
        "key": ", ".join(study.key for study in studies),
        "seed": ", ".join(str(study.about["seed"]) for study in studies),
        "rates": "with 95% Wilson intervals",
        **({"measured with": "; ".join(machines)} if machines else {}),
        "repeat": "; ".join(repeats),
    }


def _examples(study: Study) -> str:
    counts, attack = study.about["counts"], study.about["attack"]
    evaluated = f"{counts['evaluation']} evaluated"
    if attack == "none":
        return evaluated
    return f"{evaluated}, {counts['attacked']} attacked with {attack_title(attack)}"

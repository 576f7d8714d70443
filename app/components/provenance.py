"""Where numbers come from, for the head of an exported file."""

from collections.abc import Sequence

from prunescope import engine


def provenance(studies: Sequence[engine.Study]) -> dict[str, object]:
    """One entry a fact: which studies, their keys, seeds and machines."""
    machines = dict.fromkeys(machine for study in studies for machine in study.machines)
    return {
        "made by": "PruneScope",
        "study": "; ".join(map(engine.full_name, studies)),
        "key": ", ".join(study.key for study in studies),
        "seed": ", ".join(str(study.about["seed"]) for study in studies),
        "rates": "with 95% Wilson intervals",
        **({"measured with": "; ".join(machines)} if machines else {}),
    }

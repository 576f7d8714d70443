"""A model of a stored study, as the live pages use it."""

from dataclasses import dataclass

from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.store.shipped import ShippedModel


@dataclass(frozen=True, slots=True)
class StudyModel:
    """A model of a study, dense or pruned, ready to be looked into and attacked."""

    victim: Victim
    key: str  # what decides its weights: a fingerprint, `victim_key`, or `ShippedModel.victim_key`
    sparsity: float
    achieved: float
    pruned: Pruned | None = None  # what the pruner reported; None of a dense model
    notice: str | None = None  # where it is not the study's own model
    # where it is one that ships: how it was rounded, and its own figures
    shipped: ShippedModel | None = None

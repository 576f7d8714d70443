"""How a pruned model is tuned without labels, as a record; `training.recovery` does it.

Light to import.
"""

from dataclasses import asdict, dataclass
from typing import Any

from prunescope.engine.config.study import StudySpec

STEPS, TEXTS = 1500, 32  # of a recovery, and texts a step
CHECKS = 10  # of the held-out text on the way
PATIENCE = 7  # checks without improvement before it ends: at high rates the error may rise first
RATES = {"global": 4e-4, "block": 4e-4, "affine": 1e-3}  # highest learning rates
# Of the forward passes of both models: weights, moments and held-out errors stay in fp32. On a
# processor with bf16 products a step takes less than half the time.
PRECISION = "bf16"
# What a text of a step costs, in forward passes of one model in fp32: the dense model's, and the
# pruned one's with its gradients, which would be 4, in bf16 (measured on an AMD EPYC with MiniLM).
PASSES = 2


@dataclass(frozen=True, slots=True)
class Recovery:
    """Everything that decides a recovery but models and texts."""

    kind: str  # global, block or affine
    seed: int
    steps: int = STEPS
    texts: int = TEXTS

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        return RATES[self.kind]

    @property
    def reads(self) -> int:
        """What it costs, in forward passes of one model over one text."""
        return PASSES * self.steps * self.texts

    def identity(self) -> dict[str, Any]:
        """As the identity of a study holds it."""
        return {
            **asdict(self),
            "rate": self.rate,
            "checks": [CHECKS, PATIENCE],
            "precision": PRECISION,
        }


def recovery_of(spec: StudySpec) -> Recovery | None:
    """How a study tunes its pruned models; None where it does not."""
    return None if spec.recover == "off" else Recovery(spec.recover, spec.seed)

"""The records that pass between rooms: what was asked, and what came out.

All are plain, frozen and light to import.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from prunescope.engine.config.study import LEVELS, READING, StudySpec, check_seed
from prunescope.engine.formatting import pluralize

__all__ = [
    "LEVELS",
    "MODULES",
    "READING",
    "TIMED",
    "Z95",
    "AttackRecord",
    "LevelResult",
    "Rate",
    "Study",
    "StudySpec",
    "check_seed",
]

# A block's prunable linears, in the order of pruning.
MODULES = ("query", "key", "value", "attention_output", "intermediate", "output")
Z95 = 1.959963984540054  # two-sided 95% quantile of the normal distribution


@dataclass(frozen=True, slots=True)
class Rate:
    """A share k / n with its 95% Wilson interval, all in [0, 1]; value is None where n is 0."""

    value: float | None
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, n: int) -> "Rate":
        """(p̂ + z²/2n ± z √(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n). Source: Wilson, JASA 1927."""
        if not 0 <= hits <= n:
            raise ValueError(f"{hits} of {n} is not a share")
        if n == 0:
            return cls(None, 0, 0.0, 1.0)
        share, spread = hits / n, Z95 * Z95 / n
        middle = (share + spread / 2) / (1 + spread)
        half = Z95 / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
        # Exactly 0 and 1 at the edges, where rounding would miss them.
        low, high = middle - half, middle + half
        return cls(share, n, max(0.0, low) if hits else 0.0, min(1.0, high) if hits < n else 1.0)

    @property
    def hits(self) -> int:
        """k, recovered from the share."""
        return round((self.value or 0.0) * self.n)


@dataclass(frozen=True, slots=True)
class AttackRecord:
    """One attacked example; its text is not kept.

    Outcomes: "skipped", it was misclassified without an attack; "broken", the attack succeeded;
    "held", the attack finished without success; "exhausted", the attack used up its budget of
    queries or seconds without success; "error", the attack itself failed, for the reason given.
    An error is a class of its own in every rate.

    A text that gives an attack nothing to try, such as one without words, is classified all the
    same. As in TextAttack, it is "skipped" where the victim is wrong and "held" where it is right;
    the reason stands beside it.
    """

    example: int  # index into the evaluation set
    outcome: str
    queries: int
    words_changed: int
    words: int
    # Probability of the true label without attack; None where the victim gave none.
    truth_before: float | None
    # The lowest that any query of the attack saw, including those that rank words by masking them.
    truth_after: float | None
    reason: str = ""  # what ran out, what went wrong, or why there was nothing to try

    @property
    def untried(self) -> bool:
        """Whether the text gave the attack nothing to try."""
        return bool(self.reason) and self.outcome in ("skipped", "held")


# Parts of a level's seconds; others are of single layers, within these.
TIMED = ("prune", "recover", "evaluate", "attack")


@dataclass(frozen=True, slots=True)
class LevelResult:
    """Everything measured at one sparsity."""

    sparsity: float
    achieved: float  # zeros / prunable weights
    achieved_model: float  # zeros / all weights of the model
    acc: Rate
    aua: Rate | None
    asr: Rate | None
    cls_error: float  # ‖last [CLS] − dense‖² / ‖dense − mean‖², over the evaluation set
    layer_errors: dict[str, float]  # `block.module` → relative error on held-out calibration text
    correct: tuple[int, ...]  # indices of the correctly classified evaluation examples
    attacks: tuple[AttackRecord, ...]
    layers: tuple[dict[str, Any], ...]  # the pruner's report of every layer
    packed_bytes: int  # the prunable weights as a bitmap and the remaining ones in fp32
    dense_bytes: int  # the same weights, dense, fp32
    notices: tuple[str, ...] = ()  # the pruner's warnings: few tokens, little memory
    seconds: dict[str, float] = field(default_factory=dict, compare=False)  # not part of the result
    machine: dict[str, Any] = field(default_factory=dict, compare=False)  # it was measured with
    # Mean over the classes of the share that is classified correctly, less 1 / classes: 0 is one
    # answer to everything, however rare a class is. None where the examples are of one class, and
    # in levels that were measured before it was kept.
    above_chance: float | None = None

    @property
    def spent(self) -> float:
        """Seconds that it took in all."""
        return sum(self.seconds.get(part, 0.0) for part in TIMED)

    @property
    def measured_with(self) -> str:
        """The machine in words: "AMD EPYC, 2 threads, PyTorch 2.13.0"."""
        if not self.machine:
            return "an unknown machine"
        device, threads, torch = (
            self.machine.get(part, "?") for part in ("device", "threads", "torch")
        )
        return f"{device}, {pluralize(threads, 'thread')}, PyTorch {torch}"


@dataclass(frozen=True, slots=True)
class Study:
    """A study: what decided it, how it is called, and the levels that are there."""

    key: str
    identity: dict[str, Any]  # everything that decides the result
    about: dict[str, Any]  # names for people: model, data, label names, counts
    levels: tuple[LevelResult, ...] = ()
    bundled: bool = False

    @property
    def machines(self) -> tuple[str, ...]:
        """What its levels were measured with, each once, as far as they say."""
        return tuple(dict.fromkeys(level.measured_with for level in self.levels if level.machine))

    @property
    def solver(self) -> str | None:
        """The method's solver by its word in the identity, see `studies.stored`; None where it has
        none.
        """
        method = (self.identity.get("plan") or {}).get("method", {})
        word: str | None = method.get("solver")
        return word

    def level(self, sparsity: float) -> LevelResult | None:
        """The level at this sparsity, if it was measured."""
        return next((level for level in self.levels if abs(level.sparsity - sparsity) < 1e-9), None)

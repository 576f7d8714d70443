"""How one subnetwork is found, as a record."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.training.spec import TrainSpec, check_entry, kinds_of

METHODS = ("full", "mask", "imp", "hard-concrete", "isolated")
LOSSES = ("ce", "poe", "reweight", "confreg")
INITS = ("hard", "soft")
GROWTHS = ("fixed", "gradual")
HEADS = ("masked", "trained", "frozen")


@dataclass(frozen=True, slots=True)
class SubnetworkSpec:
    """One search or training; how its steps are taken stands in a `TrainSpec` beside it."""

    # "full" (nothing is pruned), "imp", "hard-concrete" (RobustT), "isolated" (zeros stay, the rest
    # learns)
    method: str = "mask"
    loss: str = "ce"  # or "poe", "reweight", "confreg"
    sparsity: float = 0.5  # zeros / weights of every matrix at the end
    init: str = "hard"  # of the scores: "hard" 0 or α·φ, "soft" |W|
    growth: str = "fixed"  # or "gradual": cubic from `first` to `sparsity`
    first: float = 0.0  # sparsity at the start of a gradual schedule
    every: float = 0.05  # share of the steps between two resets of the thresholds
    head: str = (
        "masked"  # pooler and classifier: "masked" like the rest, "trained" whole, "frozen" whole
    )
    phi: float = 0.01  # first threshold of the hard initialisation
    alpha: float = 2.0  # kept scores start at alpha times phi
    # share of the steps before which no checkpoint is chosen, where there is early stopping
    keep_from: float = 0.7
    stride: float = 0.1  # imp: share of the weights removed at once
    interval: float = 0.1  # imp: share of the steps between two removals
    rewind: bool = False  # imp: the start's own weights are returned under the mask (imp-rw)
    penalty: float = 0.5  # hard-concrete: λ of the expected share of weights kept
    keep: float = 0.9  # hard-concrete: chance of being above 0 at the start

    def __post_init__(self) -> None:
        from prunescope.engine.pruning.patterns import check_sparsity

        for name, known in (
            ("method", METHODS),
            ("loss", LOSSES),
            ("init", INITS),
            ("growth", GROWTHS),
            ("head", HEADS),
        ):
            if getattr(self, name) not in known:
                raise SettingError(
                    f"{name}={getattr(self, name)!r} is unknown; choose {', '.join(known)}."
                )
        check_sparsity(self.sparsity)
        check_sparsity(self.first)
        if self.growth == "gradual" and self.first > self.sparsity:
            raise SettingError(
                f"The schedule goes down, from a sparsity of {self.first:g} to {self.sparsity:g}; "
                "let it start at "
                "or below its end."
            )
        for name in ("every", "stride", "interval"):
            if not 0 < getattr(self, name) <= 1:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be in (0, 1].")
        for name in ("phi", "alpha", "penalty"):
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name))):
                raise SettingError(f"{name} is {getattr(self, name)}; it must be a number above 0.")
        if not 0 < self.keep < 1 or not 0 <= self.keep_from <= 1 or self.alpha <= 1:
            raise SettingError(
                f"keep is {self.keep}, keep_from {self.keep_from} and alpha {self.alpha}; they "
                "must be in (0, 1), "
                "in [0, 1] and above 1."
            )
        if self.method == "imp" and (last := (self.removals - 1) * self.interval) >= 1 - 1e-9:
            raise SettingError(
                f"{self.removals} removals, one every {self.interval:g} of the steps, would end at "
                f"{last:g} of "
                "them; raise stride or lower interval."
            )

    @property
    def removals(self) -> int:
        """How many times iterative pruning removes weights."""
        return math.ceil(self.sparsity / self.stride - 1e-9)

    @property
    def prunes(self) -> bool:
        """Whether what comes out is a subnetwork with this sparsity."""
        return self.method in ("mask", "imp", "hard-concrete")

    def sparsity_at(self, gone: float) -> float:
        """The sparsity when the share `gone` of the steps is done.

        Gradual: s(t) = s_f + (s_i − s_f)(1 − t)³. Source: Zhu and Gupta, 2017, as in P2's code.
        """
        if self.growth == "fixed":
            return self.sparsity
        return self.sparsity + (self.first - self.sparsity) * (1 - min(max(gone, 0.0), 1.0)) ** 3

    def identity(self) -> dict[str, Any]:
        """Everything that decides the weights beside the steps."""
        return asdict(self)

    def check_matrices(self, weights: dict[str, int]) -> None:
        """Raises SettingError where a matrix, given by its number of weights, would be left without
        any.
        """
        from prunescope.engine.pruning.patterns import zeros_of

        for name, count in weights.items():
            if self.prunes and zeros_of(count, self.sparsity) >= count:
                raise SettingError(
                    f"A sparsity of {self.sparsity:g} leaves none of the {count} weights of "
                    f"{name}; lower it, or "
                    "leave the head out with --head frozen."
                )


def check_smoothing(loss: str, train: TrainSpec) -> None:
    """Raises SettingError where labels are to be smoothed for a loss that is defined on whole ones."""
    if loss != "ce" and train.label_smoothing:
        raise SettingError(
            f"{train.name!r}: label_smoothing is {train.label_smoothing:g}, and the loss {loss} "
            "does not smooth "
            "labels; leave it at 0, or choose the loss ce."
        )


def subnetwork_from(entry: dict[str, Any], where: str) -> SubnetworkSpec:
    """A record from JSON values. Raises SettingError naming the first setting that is unknown or
    does not fit.
    """
    check_entry(entry, kinds_of(SubnetworkSpec), where)
    return SubnetworkSpec(**entry)

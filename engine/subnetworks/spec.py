"""How one subnetwork is found, as a record."""

import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from prunescope.engine.config.check import check_record, read_record
from prunescope.engine.config.describe import Setting
from prunescope.engine.errors import SettingError
from prunescope.engine.training.spec import STOPPING, TrainSpec

METHODS = ("full", "mask", "imp", "hard-concrete", "isolated")
LOSSES = ("ce", "poe", "reweight", "confreg")
INITS = ("hard", "soft")
GROWTHS = ("fixed", "gradual")
HEADS = ("masked", "trained", "frozen")

# Titles of groups of settings, in --help and in docs/cli.md.
SEARCH, MASKS, CONCRETE = "subnetwork", "masks", "hard-concrete masks"


@dataclass(frozen=True, slots=True)
class SubnetworkSpec:
    """One search or training; how its steps are taken stands in a `TrainSpec` beside it."""

    method: Annotated[
        str,
        Setting(
            "Method",
            "mask (straight-through scores), hard-concrete (RobustT), imp (iterative magnitude "
            "pruning), isolated (zeros stay, the rest learns) or full (nothing is pruned)",
            "NAME",
            SEARCH,
            choices=METHODS,
        ),
    ] = "mask"
    loss: Annotated[
        str,
        Setting(
            "Loss", "ce (cross-entropy), poe, reweight or confreg", "NAME", SEARCH, choices=LOSSES
        ),
    ] = "ce"
    sparsity: Annotated[
        float,
        Setting(
            "Sparsity", "zeros / weights of every matrix at the end", "SHARE", SEARCH, ge=0, lt=1
        ),
    ] = 0.5
    init: Annotated[
        str,
        Setting(
            "Initialisation",
            "initialisation of the scores: hard (0 or alpha · phi) or soft (magnitude)",
            "NAME",
            MASKS,
            choices=INITS,
        ),
    ] = "hard"
    growth: Annotated[
        str,
        Setting(
            "Growth",
            "sparsity over the steps: fixed, or gradual, a cubic from `first` to `sparsity`",
            "NAME",
            MASKS,
            choices=GROWTHS,
        ),
    ] = "fixed"
    first: Annotated[
        float,
        Setting(
            "First sparsity",
            "sparsity at the start of a gradual schedule",
            "SHARE",
            MASKS,
            ge=0,
            lt=1,
        ),
    ] = 0.0
    every: Annotated[
        float,
        Setting(
            "Reset interval",
            "share of the steps between two resets of the thresholds",
            "SHARE",
            MASKS,
            gt=0,
            le=1,
        ),
    ] = 0.05
    head: Annotated[
        str,
        Setting(
            "Head",
            "pooler and classifier: masked like the rest, trained whole, or frozen whole",
            "NAME",
            SEARCH,
            choices=HEADS,
        ),
    ] = "masked"
    phi: Annotated[
        float,
        Setting("Threshold", "first threshold of the hard initialisation", "NUMBER", MASKS, gt=0),
    ] = 0.01
    alpha: Annotated[
        float,
        Setting("Alpha", "scores of kept weights start at alpha · phi", "NUMBER", MASKS, gt=1),
    ] = 2.0
    keep_from: Annotated[
        float,
        Setting(
            "Keep from",
            "with early stopping, share of the steps before which no model is chosen",
            "SHARE",
            STOPPING,
            ge=0,
            le=1,
        ),
    ] = 0.7
    stride: Annotated[
        float,
        Setting("Stride", "share of the weights removed at once", "SHARE", SEARCH, gt=0, le=1),
    ] = 0.1
    interval: Annotated[
        float,
        Setting("Interval", "share of the steps between two removals", "SHARE", SEARCH, gt=0, le=1),
    ] = 0.1
    rewind: Annotated[
        bool,
        Setting(
            "Rewind", "return the start's own weights under the mask found (imp-rw)", group=SEARCH
        ),
    ] = False
    penalty: Annotated[
        float,
        Setting(
            "Penalty", "weight λ of the expected share of weights kept", "NUMBER", CONCRETE, gt=0
        ),
    ] = 0.5
    keep: Annotated[
        float,
        Setting(
            "Keep",
            "probability of keeping a weight at the start",
            "PROBABILITY",
            CONCRETE,
            gt=0,
            lt=1,
        ),
    ] = 0.9

    def __post_init__(self) -> None:
        check_record(self)
        if self.growth == "gradual" and self.first > self.sparsity:
            raise SettingError(
                f"The schedule goes down, from a sparsity of {self.first:g} to {self.sparsity:g}; "
                "`first` must be at most `sparsity`."
            )
        if self.method == "imp" and (last := (self.removals - 1) * self.interval) >= 1 - 1e-9:
            raise SettingError(
                f"{self.removals} removals, one every {self.interval:g} of the steps, would end at "
                f"{last:g} of them; raise `stride` or lower `interval`."
            )

    @property
    def removals(self) -> int:
        """How many times iterative pruning removes weights."""
        return math.ceil(self.sparsity / self.stride - 1e-9)

    @property
    def prunes(self) -> bool:
        """Whether what comes out is a subnetwork with this sparsity."""
        return self.method in ("mask", "imp", "hard-concrete")

    def sparsity_at(self, done: float) -> float:
        """The sparsity when the share `done` of the steps is taken.

        Gradual: s(t) = s_f + (s_i − s_f)(1 − t)³. Source: Zhu and Gupta, 2017, as in P2's code.
        """
        if self.growth == "fixed":
            return self.sparsity
        return self.sparsity + (self.first - self.sparsity) * (1 - min(max(done, 0.0), 1.0)) ** 3

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
                    f"{name}; lower `sparsity`, or leave the head out with `head=frozen`."
                )


def check_smoothing(loss: str, train: TrainSpec) -> None:
    """Raises SettingError for smoothed labels with a loss that is defined on whole ones."""
    if loss != "ce" and train.label_smoothing:
        raise SettingError(
            f"{train.name!r}: `label_smoothing` is {train.label_smoothing:g}, and the loss {loss} "
            "does not smooth labels; leave it at 0, or choose `loss=ce`."
        )


def subnetwork_from(entry: dict[str, Any], where: str) -> SubnetworkSpec:
    """A record from JSON values. Raises SettingError naming the first setting that is unknown or
    does not fit.
    """
    return read_record(SubnetworkSpec, entry, where)

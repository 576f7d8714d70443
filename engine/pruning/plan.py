"""What is asked of the pruner, and what it reports."""

from dataclasses import dataclass, field
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.allocation import ALLOCATIONS, RULE, parse_layers
from prunescope.engine.pruning.memory import PRECISIONS
from prunescope.engine.pruning.methods import SETTINGS, Method, method_named
from prunescope.engine.pruning.patterns import NofM, Pattern, Unstructured, pattern_named

# What solvers and targets are called in identities. They are older than the literature's names in
# `methods`, and every key of a stored study depends on them: never change one.
STORED_WORDS = {"solver": {"obc": "exact", "sparsegpt": "blocked"}, "target": {"p1": "paper"}}


@dataclass(frozen=True, slots=True)
class Plan:
    """How to prune, the sparsity left open."""

    method: Method
    pattern: Pattern = field(default_factory=Unstructured)
    allocation: str = "uniform"
    layers: str = ""  # shares of chosen layers by hand, see `parse_layers`
    precision: str = (
        "fp32"  # of the forward passes; statistics and solving are never less than fp32
    )
    force: bool = False  # go on with fewer tokens than a layer has inputs

    def __post_init__(self) -> None:
        if self.allocation not in ALLOCATIONS:
            raise SettingError(
                f"The allocation {self.allocation!r} is unknown; choose auto, "
                f"{' or '.join(ALLOCATIONS)}."
            )
        if self.precision not in PRECISIONS:
            raise SettingError(
                f"The precision {self.precision!r} is unknown; choose one of "
                f"{', '.join(PRECISIONS)}."
            )
        if self.allocation != "uniform" and not self.method.calibrated:
            raise SettingError(
                f"The method {self.method.name} measures no loss to equalise; use --allocation "
                "uniform."
            )
        if self.allocation != "uniform" and isinstance(self.pattern, NofM):
            raise SettingError(
                f"The pattern {self.pattern.name} fixes the sparsity of every layer; use "
                "--allocation uniform."
            )
        parse_layers(self.layers)

    @classmethod
    def named(
        cls,
        method: str | Method,
        pattern: str = "unstructured",
        allocation: str = "auto",
        layers: str = "",
        precision: str = "fp32",
        force: bool = False,
    ) -> "Plan":
        """A plan from the names that a person gives; a method that works row by row spreads its
        zeros over rows.

        The allocation "auto" is `Method.usual_allocation`.
        """
        chosen = method if isinstance(method, Method) else method_named(method)
        found = pattern_named(pattern)
        if chosen.rows and found == Unstructured():
            found = Unstructured(per_row=True)
        if allocation == "auto":
            allocation = chosen.usual_allocation(found.name)
        return cls(chosen, found, allocation, layers, precision, force)

    def identity(self) -> dict[str, Any]:
        """Everything that decides the weights, as the key of a study hashes it.

        Names and `force`, which only lets the pruning start, are left out. Solvers and targets are
        written in STORED_WORDS, so that a study has the key it always had.
        """
        method = {name: getattr(self.method, name) for name in SETTINGS}
        for setting, words in STORED_WORDS.items():
            method[setting] = words.get(method[setting], method[setting])
        # Greedy choices were made in single precision once, which are other weights
        choices = {"choices": "float64"} if self.method.greedy else {}
        return {
            "method": method,
            "pattern": self.pattern.name,
            "allocation": RULE[self.allocation],
            "layers": parse_layers(self.layers),
            "precision": self.precision,
            **choices,
        }


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What happened to one linear."""

    layer: str  # `block.module`
    weights: int
    zeros: int
    requested: float  # share of zeros asked for
    tokens: int  # calibration tokens behind the statistics; 0 for a method that uses none
    inputs: int  # d_in; tokens / inputs below about 3 means noisy statistics
    damping: float  # what the factorisation needed, as a share of the mean diagonal of H
    raised: bool  # the damping asked for was not enough
    alpha: float  # strength of the correction


def level_name(name: str, sparsity: float) -> str:
    """What a victim called `name` is called once it is pruned."""
    return f"{name} at {100 * sparsity:g} %" if sparsity else name


@dataclass(frozen=True, slots=True)
class Pruned:
    """A pruned victim with the report of every layer."""

    victim: Victim
    sparsity: float  # asked for
    layers: tuple[LayerReport, ...]
    notices: tuple[str, ...] = ()
    seconds: dict[str, float] = field(
        default_factory=dict, compare=False
    )  # solving each layer; not part of the result

    @property
    def achieved(self) -> float:
        """Zeros / prunable weights."""
        return sum(layer.zeros for layer in self.layers) / sum(
            layer.weights for layer in self.layers
        )

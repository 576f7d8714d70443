"""What the pruner is asked to do, and what it reports."""

from dataclasses import dataclass, field
from typing import Any

from prunescope.engine.errors import SettingError
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.allocation import ALLOCATIONS, RULE, parse_layers
from prunescope.engine.pruning.methods import SETTINGS, Method, method_named
from prunescope.engine.pruning.patterns import NofM, Pattern, Unstructured, pattern_named
from prunescope.engine.pruning.precision import PRECISIONS

# What solvers and targets are called in identities. They are older than the names in `methods`, and
# every key of a stored study depends on them: never change one.
STORED_WORDS = {
    "solver": {
        "obc": "exact",
        "sparsegpt": "blocked",
        "joint": "joint-relaxed",
        "joint-grouped": "joint",
    },
    "target": {"p1": "paper"},
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How to prune; the sparsity is given separately."""

    method: Method
    pattern: Pattern = field(default_factory=Unstructured)
    allocation: str = "uniform"
    layers: str = ""  # sparsity of single layers, see `parse_layers`
    precision: str = "fp32"  # of the forward passes; statistics and solvers use at least fp32
    force: bool = False  # prune even with fewer tokens than a layer has inputs

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
                f"The method {self.method.name} measures no loss to equalise; use "
                "`allocation=uniform`."
            )
        if self.allocation != "uniform" and isinstance(self.pattern, NofM):
            raise SettingError(
                f"The pattern {self.pattern.name} fixes the sparsity of every layer; use "
                "`allocation=uniform`."
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
        """A plan from names; a method that works row by row spreads its zeros over rows.

        The allocation "auto" is `Method.usual_allocation`. Raises SettingError for unknown names.
        """
        if isinstance(method, str):
            method = method_named(method)
        where = pattern_named(pattern)
        if method.rows and where == Unstructured():
            where = Unstructured(per_row=True)
        if allocation == "auto":
            allocation = method.usual_allocation(where.name)
        return cls(method, where, allocation, layers, precision, force)

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
    requested: float  # share of zeros that was requested
    tokens: int  # calibration tokens behind the statistics; 0 for a method that uses none
    inputs: int  # d_in; tokens / inputs below about 3 means noisy statistics
    damping: float  # what the factorisation needed, as a share of the mean diagonal of H
    raised: bool  # the requested damping was not enough
    alpha: float  # strength of the correction


def level_name(name: str, sparsity: float) -> str:
    """The name of a pruned victim: "MiniLM-L6 at 50 %"."""
    return f"{name} at {100 * sparsity:g} %" if sparsity else name


@dataclass(frozen=True, slots=True)
class Pruned:
    """A pruned victim with the report of every layer."""

    victim: Victim
    sparsity: float  # requested
    layers: tuple[LayerReport, ...]
    notices: tuple[str, ...] = ()
    # for pruning each layer; not part of the result
    seconds: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def achieved(self) -> float:
        """Zeros / prunable weights."""
        weights = sum(layer.weights for layer in self.layers)
        return sum(layer.zeros for layer in self.layers) / weights

"""How much of a level's sparsity each layer takes: all alike, by equal loss, or given by hand.

By equal loss: with L_l(s) what the last [CLS] loses when layer l alone is pruned to s, measured at
a few s and interpolated, the shares minimise Σ L_l(s_l) under Σ n_l s_l = s Σ n_l, so that the next
removal costs the same everywhere. Source of the idea: the loss curves of OBC (Frantar, Singh and
Alistarh, NeurIPS 2022).

Layers are named as in every record: `3.output` is one linear, `3` a block, `output` a module of
every block.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prunescope.engine.errors import SettingError
from prunescope.engine.paths import expanded
from prunescope.engine.pruning.patterns import NofM, Pattern, Unstructured

ALLOCATIONS = ("uniform", "loss-equalised")
GRID = (0.3, 0.5, 0.7, 0.85, 0.95)  # sparsities at which the loss of every layer is measured
STEP = 0.0025  # between two shares that are considered
SPREAD = 3.0  # a layer keeps between a third and three times the level's share of weights
HIGHEST = 0.99
TINY = 1e-30  # stands for a loss of zero
PRICES, ROUNDS = (
    (-100.0, 100.0),
    64,
)  # natural logarithms of what a weight may cost, and halvings of that range
RULE = {
    "uniform": "uniform",
    "loss-equalised": f"least sum of losses measured at {GRID}, density within {SPREAD:g}",
}  # for keys


def parse_layers(text: str) -> dict[str, float]:
    """`0=0,output=0.4,5.output=0.3`, or the name of a JSON file with such an object, as a mapping.

    Raises SettingError for anything else. A share of 0 leaves the layer dense.
    """
    if text.endswith(".json"):
        try:
            given = json.loads(expanded(text).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingError(
                f"The file {text} cannot be read as JSON ({error}); give an object such as "
                '{"0": 0, "5.output": 0.3}.'
            ) from error
        pairs = list(given.items()) if isinstance(given, dict) else [("", given)]
    else:
        pairs = [part.partition("=")[::2] for part in filter(None, text.split(","))]
    shares = {}
    for name, value in pairs:
        try:
            share = float(value)
        except (TypeError, ValueError):
            share = math.nan
        if not name or not 0 <= share < 1:
            raise SettingError(
                f"{name}={value} is not a layer with a share in [0, 1); write "
                "0=0,output=0.4,5.output=0.3."
            )
        shares[str(name).strip()] = share
    return shares


@dataclass(frozen=True, slots=True)
class Shares:
    """Sparsity of every layer at a level."""

    layers: tuple[str, ...]  # `block.module`, in pruning order
    weights: tuple[int, ...]
    pattern: Pattern
    by_hand: Mapping[str, float] = field(default_factory=dict)
    losses: Mapping[str, Sequence[float]] = field(
        default_factory=dict
    )  # by layer, at GRID; empty: all layers alike

    def __post_init__(self) -> None:
        known = {*self.layers, *(part for layer in self.layers for part in layer.split("."))}
        if unknown := [name for name in self.by_hand if name not in known]:
            raise SettingError(
                f"There is no layer {unknown[0]!r}; name a block (0 to "
                f"{self.layers[-1].split('.')[0]}), a module "
                f"({', '.join(dict.fromkeys(layer.split('.')[1] for layer in self.layers))}) or "
                "both, as in "
                f"{self.layers[0]}."
            )
        for share in self.by_hand.values():
            if share:
                self.pattern.check_level(share)
        if self.losses and isinstance(self.pattern, NofM):
            raise SettingError(
                f"The pattern {self.pattern.name} fixes the sparsity of every layer; use "
                "`allocation=uniform`."
            )

    def given(self, layer: str) -> float | None:
        """The share given by hand; the most exact name wins."""
        block, module = layer.split(".")
        return next(
            (self.by_hand[name] for name in (layer, module, block) if name in self.by_hand), None
        )

    def at(self, sparsity: float) -> dict[str, float]:
        """layer → sparsity at a level of the study. Nothing is pruned at level 0."""
        if sparsity == 0:
            return dict.fromkeys(self.layers, 0.0)
        shares = {layer: self.given(layer) for layer in self.layers}
        free = [layer for layer in self.layers if shares[layer] is None]
        found = (
            self._equalised(free, sparsity)
            if self.losses and free
            else dict.fromkeys(free, sparsity)
        )
        return {layer: found[layer] if share is None else share for layer, share in shares.items()}

    def _equalised(self, free: list[str], sparsity: float) -> dict[str, float]:
        """The shares of least total loss, by bisection on what a removed weight may cost more,
        which is alike in all layers.
        """
        sizes = dict(zip(self.layers, self.weights, strict=True))
        least, most = (
            max(0.0, 1 - SPREAD * (1 - sparsity)),
            max(sparsity, min(HIGHEST, 1 - (1 - sparsity) / SPREAD)),
        )
        shares = np.unique(np.append(np.arange(least, most, STEP), (sparsity, most)))
        losses = {layer: _between(self.losses[layer], shares) for layer in free}

        def at(price: float) -> dict[str, float]:
            return {
                layer: float(shares[np.argmin(losses[layer] - price * sizes[layer] * shares)])
                for layer in free
            }

        def mean(found: Mapping[str, float]) -> float:
            return sum(found[layer] * sizes[layer] for layer in free) / sum(
                sizes[layer] for layer in free
            )

        below, above = dict.fromkeys(free, float(shares[0])), dict.fromkeys(free, float(shares[-1]))
        low, high = PRICES
        for _ in range(ROUNDS):
            middle = (low + high) / 2
            found = at(math.exp(middle))
            if mean(found) < sparsity:
                low, below = middle, found
            else:
                high, above = middle, found
        span = mean(above) - mean(below)
        part = (
            (sparsity - mean(below)) / span if span > 0 else 1.0
        )  # between two choices, so that the level is met
        mixed = {
            layer: below[layer] + min(1.0, max(0.0, part)) * (above[layer] - below[layer])
            for layer in free
        }
        return (
            mixed
            if isinstance(self.pattern, Unstructured) and self.pattern.per_row
            else _whole(mixed, sizes, sparsity)
        )


def _whole(
    shares: Mapping[str, float], sizes: Mapping[str, int], sparsity: float
) -> dict[str, float]:
    """The shares as whole numbers of weights that make the level to the weight; the largest
    remainders are rounded up.
    """
    zeros = {layer: int(share * sizes[layer]) for layer, share in shares.items()}
    due = int(sparsity * sum(sizes[layer] for layer in shares) + 0.5) - sum(zeros.values())
    nearest = sorted(shares, key=lambda layer: zeros[layer] - shares[layer] * sizes[layer])
    return {layer: (zeros[layer] + (layer in nearest[:due])) / sizes[layer] for layer in shares}


def _between(losses: Sequence[float], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """A layer's loss at any share, from those at GRID: log L linear in log(s / (1 − s)), beyond the
    ends too.
    """
    known, kept = np.log(np.maximum(np.array(losses), TINY)), _logit(np.array(GRID))
    asked = _logit(np.clip(shares, 1e-9, 1 - 1e-9))
    place = np.clip(np.searchsorted(kept, asked) - 1, 0, len(GRID) - 2)
    slope = (known[place + 1] - known[place]) / (kept[place + 1] - kept[place])
    found: NDArray[np.float64] = np.exp(known[place] + slope * (asked - kept[place]))
    return np.where(shares > 0, found, 0.0)


def _logit(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.log(shares) - np.log1p(-shares)
    return found

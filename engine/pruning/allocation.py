"""The sparsity of each layer: uniform, by equal loss, or set by hand.

By equal loss: L_l(s) is the error of the last [CLS] when layer l alone is pruned to s, measured at
a few s and interpolated. The shares minimise Σ L_l(s_l) under Σ n_l s_l = s Σ n_l, with n_l weights
in layer l, so that the next removal costs the same in every layer. Source of the idea: the loss
curves of OBC (Frantar, Singh and Alistarh, NeurIPS 2022).

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
SPREAD = 3.0  # a layer keeps between a third and three times the model's share of weights
HIGHEST = 0.99
TINY = 1e-30  # stands for a loss of zero
PRICES = (-100.0, 100.0)  # range of the natural logarithm of the loss that a weight may cost
ROUNDS = 64  # halvings of that range
# what a plan's identity says of each allocation; study keys depend on these texts
RULE = {
    "uniform": "uniform",
    "loss-equalised": f"least sum of losses measured at {GRID}, density within {SPREAD:g}",
}


def parse_layers(text: str) -> dict[str, float]:
    """`0=0,output=0.4,5.output=0.3`, or the name of a JSON file with such an object, as a mapping.

    Raises SettingError for anything else. A share of 0 leaves the layer dense.
    """
    if text.endswith(".json"):
        try:
            content = json.loads(expanded(text).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingError(
                f"The file {text} cannot be read as JSON ({error}); give an object such as "
                '{"0": 0, "5.output": 0.3}.'
            ) from error
        pairs = list(content.items()) if isinstance(content, dict) else [("", content)]
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
    """The sparsity of every layer, for any sparsity of the model."""

    layers: tuple[str, ...]  # `block.module`, in pruning order
    weights: tuple[int, ...]
    pattern: Pattern
    by_hand: Mapping[str, float] = field(default_factory=dict)
    # by layer, at GRID; empty: every layer gets the same sparsity
    losses: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = {*self.layers, *(part for layer in self.layers for part in layer.split("."))}
        if unknown := [name for name in self.by_hand if name not in names]:
            last = self.layers[-1].split(".")[0]
            modules = ", ".join(dict.fromkeys(layer.split(".")[1] for layer in self.layers))
            raise SettingError(
                f"There is no layer {unknown[0]!r}; name a block (0 to {last}), a module "
                f"({modules}) or both, as in {self.layers[0]}."
            )
        for share in self.by_hand.values():
            if share:
                self.pattern.check_level(share)
        if self.losses and isinstance(self.pattern, NofM):
            raise SettingError(
                f"The pattern {self.pattern.name} fixes the sparsity of every layer; use "
                "`allocation=uniform`."
            )

    def manual(self, layer: str) -> float | None:
        """The sparsity set by hand, None where there is none; the most specific name wins."""
        block, module = layer.split(".")
        return next(
            (self.by_hand[name] for name in (layer, module, block) if name in self.by_hand), None
        )

    def at(self, sparsity: float) -> dict[str, float]:
        """The sparsity of each layer, by name, for one of the whole model; at 0 all are 0."""
        if sparsity == 0:
            return dict.fromkeys(self.layers, 0.0)
        shares = {layer: self.manual(layer) for layer in self.layers}
        free = [layer for layer in self.layers if shares[layer] is None]
        if self.losses and free:
            allocated = self._equalised(free, sparsity)
        else:
            allocated = dict.fromkeys(free, sparsity)
        return {
            layer: allocated[layer] if share is None else share for layer, share in shares.items()
        }

    def _equalised(self, free: list[str], sparsity: float) -> dict[str, float]:
        """The shares of least total loss, by bisection on the price: the loss that one more removed
        weight may cost, the same in all layers.
        """
        sizes = dict(zip(self.layers, self.weights, strict=True))
        least = max(0.0, 1 - SPREAD * (1 - sparsity))
        most = max(sparsity, min(HIGHEST, 1 - (1 - sparsity) / SPREAD))
        shares = np.unique(np.append(np.arange(least, most, STEP), (sparsity, most)))
        losses = {layer: _between(self.losses[layer], shares) for layer in free}

        def at(price: float) -> dict[str, float]:
            return {
                layer: float(shares[np.argmin(losses[layer] - price * sizes[layer] * shares)])
                for layer in free
            }

        def mean(choice: Mapping[str, float]) -> float:
            zeros = sum(choice[layer] * sizes[layer] for layer in free)
            return zeros / sum(sizes[layer] for layer in free)

        below, above = dict.fromkeys(free, float(shares[0])), dict.fromkeys(free, float(shares[-1]))
        low, high = PRICES
        for _ in range(ROUNDS):
            middle = (low + high) / 2
            choice = at(math.exp(middle))
            if mean(choice) < sparsity:
                low, below = middle, choice
            else:
                high, above = middle, choice
        # Between the two choices, so that the model's sparsity is met
        span = mean(above) - mean(below)
        part = (sparsity - mean(below)) / span if span > 0 else 1.0
        part = min(1.0, max(0.0, part))
        mixed = {layer: below[layer] + part * (above[layer] - below[layer]) for layer in free}
        if isinstance(self.pattern, Unstructured) and self.pattern.per_row:
            return mixed
        return _whole(mixed, sizes, sparsity)


def _whole(
    shares: Mapping[str, float], sizes: Mapping[str, int], sparsity: float
) -> dict[str, float]:
    """The shares as whole numbers of weights that meet the model's sparsity to the weight; the
    largest remainders are rounded up.
    """
    zeros = {layer: int(share * sizes[layer]) for layer, share in shares.items()}
    missing = int(sparsity * sum(sizes[layer] for layer in shares) + 0.5) - sum(zeros.values())
    nearest = sorted(shares, key=lambda layer: zeros[layer] - shares[layer] * sizes[layer])
    return {layer: (zeros[layer] + (layer in nearest[:missing])) / sizes[layer] for layer in shares}


def _between(losses: Sequence[float], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """A layer's loss at any share, from those at GRID: log L linear in log(s / (1 − s)), beyond the
    ends too.
    """
    log_losses, grid = np.log(np.maximum(np.array(losses), TINY)), _logit(np.array(GRID))
    x = _logit(np.clip(shares, 1e-9, 1 - 1e-9))
    left = np.clip(np.searchsorted(grid, x) - 1, 0, len(GRID) - 2)
    slope = (log_losses[left + 1] - log_losses[left]) / (grid[left + 1] - grid[left])
    interpolated: NDArray[np.float64] = np.exp(log_losses[left] + slope * (x - grid[left]))
    return np.where(shares > 0, interpolated, 0.0)


def _logit(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    logit: NDArray[np.float64] = np.log(shares) - np.log1p(-shares)
    return logit

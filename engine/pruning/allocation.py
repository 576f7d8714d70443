"""How much of a level's sparsity each layer takes: all alike, by equal loss, or given by hand.

Layers are named as in every record: `3.output` is one linear, `3` a block, `output` a module of every block.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import SettingError
from engine.pruning.patterns import NofM, Pattern

ALLOCATIONS = ("uniform", "loss-equalised")
REACH = 0.15  # a layer's sparsity stays this close to a level of up to one half, and closer above, where errors soon outgrow
RULE = {"uniform": "uniform", "loss-equalised": f"loss-equalised, reach {REACH:g} min(1, 2 - 2s)"}  # what a study's key says
LOW, HIGH, STEPS = -100.0, 60.0, 16  # scores are counted in bins of 1/16 octave between 2^LOW and 2^HIGH


def parse_layers(text: str) -> dict[str, float]:
    """`0=0,output=0.4,5.output=0.3`, or the name of a JSON file with such an object, as a mapping.

    Raises SettingError for anything else. A share of 0 leaves the layer dense.
    """
    if text.endswith(".json"):
        try:
            given = json.loads(Path(text).expanduser().read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingError(f"The file {text} cannot be read as JSON ({error}); give an object such as "
                               '{"0": 0, "5.output": 0.3}.') from error  # fmt: skip
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
            raise SettingError(f"{name}={value} is not a layer with a share in [0, 1); write 0=0,output=0.4,5.output=0.3.")
        shares[str(name).strip()] = share
    return shares


@dataclass(frozen=True, slots=True)
class Shares:
    """Sparsity of every layer at a level."""

    layers: tuple[str, ...]  # `block.module`, in pruning order
    weights: tuple[int, ...]
    pattern: Pattern
    by_hand: Mapping[str, float] = field(default_factory=dict)
    losses: Mapping[str, Tensor] = field(default_factory=dict)  # counts of scores by bin; empty: all layers alike

    def __post_init__(self) -> None:
        known = {*self.layers, *(part for layer in self.layers for part in layer.split("."))}
        if unknown := [name for name in self.by_hand if name not in known]:
            raise SettingError(f"There is no layer {unknown[0]!r}; name a block (0 to {self.layers[-1].split('.')[0]}), a module "
                               f"({', '.join(dict.fromkeys(layer.split('.')[1] for layer in self.layers))}) or both, as in "
                               f"{self.layers[0]}.")  # fmt: skip
        for share in self.by_hand.values():
            if share:
                self.pattern.check_level(share)
        if self.losses and isinstance(self.pattern, NofM):
            raise SettingError(f"The pattern {self.pattern.name} fixes the sparsity of every layer; use --allocation uniform.")

    def given(self, layer: str) -> float | None:
        """The share given by hand; the most exact name wins."""
        block, module = layer.split(".")
        return next((self.by_hand[name] for name in (layer, module, block) if name in self.by_hand), None)

    def at(self, sparsity: float) -> dict[str, float]:
        """layer → sparsity at a level of the study. Nothing is pruned at level 0."""
        if sparsity == 0:
            return dict.fromkeys(self.layers, 0.0)
        shares = {layer: self.given(layer) for layer in self.layers}
        free = [layer for layer in self.layers if shares[layer] is None]
        found = self._equalised(free, sparsity) if self.losses and free else dict.fromkeys(free, sparsity)
        return {layer: found[layer] if share is None else share for layer, share in shares.items()}

    def _equalised(self, free: list[str], sparsity: float) -> dict[str, float]:
        """One threshold on the score for all layers, each kept near the level, found by bisection."""
        sizes = dict(zip(self.layers, self.weights, strict=True))
        below = {layer: self.losses[layer].cumsum(0) / sizes[layer] for layer in free}
        reach = REACH * min(1.0, 2 - 2 * sparsity)
        floor, ceiling = max(0.0, sparsity - reach), max(sparsity, min(0.99, sparsity + reach))

        def at(edge: int) -> dict[str, float]:
            return {layer: min(ceiling, max(floor, float(below[layer][edge]))) for layer in free}

        def mean(shares: Mapping[str, float]) -> float:
            return sum(shares[layer] * sizes[layer] for layer in free) / sum(sizes[layer] for layer in free)

        low, high = 0, len(next(iter(below.values()))) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if mean(at(middle)) < sparsity else (low, middle)
        upper, lower = at(low), at(low - 1) if low else dict.fromkeys(free, floor)  # the first bin may hold many: dead weights
        span = mean(upper) - mean(lower)
        part = (sparsity - mean(lower)) / span if span > 0 else 1.0  # between two bins, so that the level is met
        return {layer: lower[layer] + min(1.0, max(0.0, part)) * (upper[layer] - lower[layer]) for layer in free}


def score_counts(weight: Tensor, inverse_diagonal: Tensor, importance: Tensor | None, scale: float) -> Tensor:
    """How many weights of a layer have which loss, w²/[H⁻¹]_jj times the output's importance; counts by bin.

    Removing the weights below a threshold in every layer makes the next removal cost the same everywhere, by this
    estimate, which looks at each weight alone. `scale` makes layers comparable.
    """
    scores = weight.square() / inverse_diagonal * scale
    if importance is not None:
        scores = scores * importance[:, None]
    bins = ((scores.double().clamp_min(2.0**LOW).log2() - LOW) * STEPS).long().clamp(0, int((HIGH - LOW) * STEPS) - 1)
    return torch.bincount(bins.reshape(-1), minlength=int((HIGH - LOW) * STEPS)).double().cpu()

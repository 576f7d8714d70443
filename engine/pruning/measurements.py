"""What the pruner measures once for a victim, its calibration text and a plan, for every sparsity:
importance and the layers' loss curves; and which settings decide them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prunescope.engine.pruning.allocation import GRID
from prunescope.engine.pruning.importance import (
    DIRECTIONS,
    FLOOR,
    OUTPUT_FLOOR,
    SAMPLE,
    Importance,
)
from prunescope.engine.pruning.plan import Plan

LossCurves = dict[str, list[float]]  # by layer, at the allocation's grid


@dataclass
class SharedMeasurements:
    """What is known so far; the pruner measures what is missing and calls `measured` each time."""

    importance: Importance | None = None
    losses: LossCurves | None = None
    measured: Callable[[], object] = lambda: None  # somebody keeps what has become known


def measures(plan: Plan) -> bool:
    """Whether a plan measures anything that every sparsity shares."""
    return plan.method.importance or plan.allocation != "uniform"


def deciding_settings(plan: Plan) -> dict[str, Any]:
    """What decides the measurements beside victim and text: neither the sparsity, nor the pattern,
    nor the allocation.

    The curves come from the dense model's inputs, so the method's target, solver and refit do not
    matter to them.
    """
    return {
        "sample": [SAMPLE, DIRECTIONS],
        "floors": [FLOOR, OUTPUT_FLOOR],
        "grid": list(GRID),
        "importance": plan.method.importance,  # whether tokens of the curves are weighted by it
        "centre": plan.method.centre,
        "damping": plan.method.damping,
        "precision": plan.precision,
    }

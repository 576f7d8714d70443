"""Choose the weights to remove jointly: alternate between least squares and the pattern (ADMM).

In inputs and outputs scaled to unit diagonals, H̃ = D^-½ (H + Λ) D^-½ = U Σ Uᵀ, M̃ = S^-½ M S^-½ =
Q Γ Qᵀ and T = S^½ W* D^½, a round at the penalty ρ with the relaxation κ is

    V ← argmin tr(M̃ (T − V) H̃ (T − V)ᵀ) + ρ ‖V − A‖²,  A = Z − Y;
    V ← κ V + (1 − κ) Z;   Z ← the pattern's choice from V + Y;   Y ← Y + V − Z.

Qᵀ (V − A) U is Qᵀ (T − A) U times γ_k σ_j / (γ_k σ_j + ρ), entry by entry: what reaches further is
fitted more closely. Unlike a sweep over columns, every weight is reconsidered in each round, so the
support is that of a joint decision. Where ρ changes, Y is scaled so that the multiplier ρ Y stays.
Sources: the alternation is that of ALPS (Meng et al., NeurIPS 2024), over-relaxation that of Boyd
et al. (Distributed Optimization and Statistical Learning via ADMM, 2011, 3.4.3).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from prunescope.engine.pruning.importance import OutputMetric
from prunescope.engine.pruning.patterns import Pattern
from prunescope.engine.pruning.targets import Factor

BASE = 10**0.5  # `GROUPED` rounds eigenvalues of a metric to powers of this
MIN_AXIS = 0.01  # and smaller ones count as this


@dataclass(frozen=True, slots=True)
class Alternation:
    """The rounds of the joint solver."""

    penalties: tuple[float, ...]  # ρ of every round, in units of the scaled diagonal
    relaxation: float = 1.0  # κ; 1 is none
    grouped: bool = False  # whether γ is rounded, which the first version did to save inverses


def rising(least: float, most: float, rounds: int) -> tuple[float, ...]:
    """Penalties from the least to the most in steps of one factor."""
    return tuple(least * (most / least) ** (i / (rounds - 1)) for i in range(rounds))


RELAXED = Alternation(rising(0.05, 1.0, 16), relaxation=1.7)
GROUPED = Alternation(tuple(0.05 * BASE**step for step in range(4) for _ in range(4)), grouped=True)


def choose_jointly(
    target: Tensor,
    factor: Factor,
    metric: OutputMetric | None,
    pattern: Pattern,
    sparsity: float,
    alternation: Alternation,
    tick: Callable[[], None],
) -> Tensor:
    """Sparse weights (d_out, d_in) near the target W*; the values are still to be refitted.

    `metric` None counts outputs alike and apart. `tick` is called in every round; what it raises
    ends the work.
    """
    outputs = None if metric is None else metric.diagonal.sqrt()[:, None]
    scale = factor.scale if outputs is None else factor.scale * outputs
    aim = target * scale
    sparse, dual = aim, torch.zeros_like(aim)
    removed = torch.zeros_like(aim, dtype=torch.bool)
    before = alternation.penalties[0]
    for penalty in alternation.penalties:
        tick()
        dual = dual * (before / penalty)  # the multiplier stays what it was
        anchor = sparse - dual
        fitted = anchor + closed(aim - anchor, factor, metric, penalty, alternation.grouped)
        if alternation.relaxation != 1:
            fitted = sparse.lerp(fitted, alternation.relaxation)
        free = fitted + dual
        removed = pattern.removed(free.square(), sparsity)
        sparse = free.masked_fill(removed, 0.0)
        dual, before = free - sparse, penalty
    return (sparse / scale).masked_fill_(removed, 0.0)


def closed(
    gap: Tensor, factor: Factor, metric: OutputMetric | None, penalty: float, grouped: bool = False
) -> Tensor:
    """What the least squares close of a gap T − A (d_out, d_in) at a penalty."""
    inputs, input_axes = factor.axes
    if metric is None or metric.axes is None:
        return (gap @ input_axes * (inputs / (inputs + penalty))) @ input_axes.T
    outputs, output_axes = metric.axes
    outputs = _rounded(outputs) if grouped else outputs.clamp_min(0.0)
    reach = outputs[:, None] * inputs  # (d_out, d_in)
    return (
        output_axes
        @ (output_axes.T @ gap @ input_axes * (reach / (reach + penalty)))
        @ (input_axes.T)
    )


def _rounded(values: Tensor) -> Tensor:
    """Eigenvalues rounded to powers of BASE."""
    return BASE ** (values.clamp_min(MIN_AXIS).log() / math.log(BASE)).round()

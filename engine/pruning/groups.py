"""Prune one group of linears to one sparsity: collect statistics, re-target, solve, refit.

A group is the linears that read one input: query, key and value, or a single linear. Their weights
are stacked, (d_out of all, d_in), so that the statistics are collected and factorised once.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from prunescope.engine.errors import NumericalError, SettingError
from prunescope.engine.models.architecture import LinearGroup
from prunescope.engine.models.dry_run import second_inputs
from prunescope.engine.models.linears import PrunableLinear
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.activations import ActivationState, CalibrationStream
from prunescope.engine.pruning.importance import Importance
from prunescope.engine.pruning.methods import P1_RIDGE, Method
from prunescope.engine.pruning.patterns import has_zeros
from prunescope.engine.pruning.plan import LayerReport, Plan
from prunescope.engine.pruning.precision import in_double
from prunescope.engine.pruning.refits import refit, refit_exactly
from prunescope.engine.pruning.solvers import Problem, solver_named
from prunescope.engine.pruning.statistics import Gram
from prunescope.engine.pruning.targets import Factor, adaptive_target, factorise, p1_target


@dataclass
class SparsityRun:
    """One sparsity while its model is being pruned."""

    sparsity: float  # of the whole model, as requested
    shares: dict[str, float]  # sparsity of each layer, `block.module`
    victim: Victim  # a copy with prunable weights of its own, pruned from first to last
    reports: list[LayerReport] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.linears = self.victim.linears()


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """What is known about the inputs of a group."""

    weight: Tensor  # W, (d_out of all, d_in), dense
    gram: Gram  # over all tokens
    fitting: Gram | None  # over those that fit the correction; None where no strength is selected
    selection: Gram | None  # over those that select its strength


@dataclass(frozen=True, slots=True)
class Group:
    """The linears of one block of the dense model that read the same input."""

    of_model: LinearGroup
    linears: tuple[PrunableLinear, ...]
    second: Tensor | None = None  # a second input, the same for every text, (rows, d_in)

    @property
    def layers(self) -> tuple[str, ...]:
        """`block.module` of every linear."""
        return self.of_model.layers

    @property
    def title(self) -> str:
        """The group as progress names it: "block 3: query key value"."""
        names = [layer.partition(".")[2] for layer in self.layers]
        return f"{self.block}: {' '.join(names)}"

    @property
    def block(self) -> str:
        """The block as progress names it: "block 3"."""
        return f"block {int(self.layers[0].partition('.')[0]) + 1}"

    @property
    def weights(self) -> list[Tensor]:
        """W of every linear, (d_out, d_in)."""
        return [linear.weight for linear in self.linears]


def groups_of(victim: Victim) -> list[Group]:
    """The groups of linears of all blocks, in the order in which the model runs them."""
    architecture, linears = victim.architecture, victim.linears()
    twice = [group.layers[0] for group in architecture.groups if group.twice]
    second = second_inputs(victim.model, {layer: architecture.paths[layer] for layer in twice})
    return [
        Group(group, tuple(linears[layer] for layer in group.layers), second.get(group.layers[0]))
        for group in architecture.groups
    ]


def collect_statistics(
    weight: Tensor,
    inputs: Sequence[CalibrationStream],
    references: Sequence[Tensor | None],
    index: int,
    method: Method,
    token_weights: Sequence[Tensor | None],
    tick: Callable[[], None],
    double: bool = False,
    second: Tensor | None = None,
) -> GroupStatistics:
    """Statistics of a group for the sparsity at `index`.

    `references` has the `dense_reference` of every stream, None where nothing drifted, and
    `token_weights` its ω (tokens,). With `double`, everything is summed in float64. `second` is
    what the linears read beside the tokens, see `Gram.add_constant`.
    """
    convert = in_double if double else Tensor.float
    weight = convert(weight)
    drifted = any(reference is not None for reference in references)
    selecting = method.target == "adaptive" and method.alpha is None and drifted
    residual = method.residual and any(
        stream.inputs(index).residual is not None for stream in inputs
    )
    fitting, selection = (Gram(weight, method.centre, residual) for _ in range(2))
    for stream, reference, omega in zip(inputs, references, token_weights, strict=True):
        tick()
        state = stream.inputs(index)
        if reference is not None and method.residual and state.residual is not None:
            reference = convert(reference) - convert(state.residual)
        (selection if stream.selection and selecting else fitting).add(
            convert(state.x),
            None if reference is None else convert(reference),
            None if omega is None else convert(omega),
        )
    if second is not None:
        for gram in (fitting, selection):
            if gram.tokens:
                gram.add_constant(convert(second))
    if not selecting:
        return GroupStatistics(weight, fitting, None, None)
    return GroupStatistics(weight, fitting + selection, fitting, selection)


def dense_reference(method: Method, weight: Tensor, dense: ActivationState) -> Tensor:
    """What the dense model computes at a group: W X_d + R_d (tokens, d_out), or X_d (tokens, d_in)
    where that is narrower, see `Gram.add`. The pruned model's residual is still to be subtracted.
    """
    residual = dense.residual if method.residual else None
    if residual is None and weight.shape[0] > weight.shape[1]:
        return dense.x.float()
    out = functional.linear(dense.x.float(), weight)
    return out if residual is None else out + residual.float()


def factorise_statistics(gram: Gram, method: Method) -> Factor:
    """The factor of a group's H with the method's damping; H alone where nothing more is needed."""
    if not method.factored:
        return Factor(gram.hessian(), gram.weight.new_empty(0, 0), 0.0)
    if method.target == "p1":
        return factorise(gram.hessian(), P1_RIDGE / gram.mass, absolute=True)
    return factorise(gram.hessian(), method.damping)


def prune_group(
    group: Group,
    run: SparsityRun,
    statistics: GroupStatistics,
    factor: Factor,
    plan: Plan,
    importance: Importance | None,
    tick: Callable[[], None],
) -> None:
    """Replace the weights of a group's linears in one run, each with its exact number of zeros.

    A linear whose dense weights already have as many zeros keeps those and no others: no weight
    comes back, and a refit improves the remaining weights. Raises NumericalError where a solver
    gives NaN or Inf.
    """
    start = time.perf_counter()
    method, gram = plan.method, statistics.gram
    target, alpha = _target(statistics, factor, method)
    power, mean, mean_drift = gram.power(), gram.mean(), gram.mean_drift()
    stop = 0
    for layer, dense in zip(group.layers, group.linears, strict=True):
        linear, outputs = run.linears[layer], len(dense.weight)
        rows, stop = slice(stop, stop + outputs), stop + outputs
        share = run.shares[layer]
        if share:
            metric = importance.outputs[layer] if importance and method.importance else None
            metric = metric and metric.like(target)
            problem = Problem(target[rows], factor, power, share, plan.pattern, metric, tick)
            pruned = _pruned_weights(statistics.weight[rows], dense.weight, problem, method, layer)
            linear.set_weight(pruned)
            if method.centre:
                if dense.bias is None:
                    raise SettingError(
                        f"Layer {layer} has no bias, in which centre=on would keep the mean of its "
                        "output; use centre=off."
                    )
                shift = (statistics.weight[rows] - pruned) @ mean
                linear.set_bias(dense.bias.to(pruned) + shift + mean_drift[rows])
        run.reports.append(
            layer_report(layer, linear.weight, share, gram.tokens, factor, alpha if share else 0.0)
        )
        run.seconds[layer] = time.perf_counter() - start
        start = time.perf_counter()


def _pruned_weights(
    weight: Tensor, stored: Tensor, problem: Problem, method: Method, layer: str
) -> Tensor:
    """Ŵ of one linear, (d_out, d_in). `stored` is its dense W in the model's own precision."""
    sparse = has_zeros(stored, problem.pattern, problem.sparsity)
    pruned = weight.clone() if sparse else solver_named(method.solver)(problem)
    pruned = refit_weights(pruned, problem, method)
    if not bool(torch.isfinite(pruned).all()):
        raise NumericalError(
            f"Layer {layer}: the solver gave NaN or Inf; use more calibration text or more damping."
        )
    return pruned


def layer_report(
    layer: str, weight: Tensor, share: float, tokens: int, factor: Factor | None, alpha: float
) -> LayerReport:
    """The report of one linear as it stands now."""
    damping, raised = (factor.damping, factor.raised) if factor else (0.0, False)
    zeros, inputs, alpha = int((weight == 0).sum()), weight.shape[1], round(alpha, 6)
    return LayerReport(layer, weight.numel(), zeros, share, tokens, inputs, damping, raised, alpha)


def untouched_report(layer: str, weight: Tensor) -> LayerReport:
    """The report of a linear that is left dense."""
    return layer_report(layer, weight, 0.0, 0, None, 0.0)


def _target(statistics: GroupStatistics, factor: Factor, method: Method) -> tuple[Tensor, float]:
    """(target weights (d_out, d_in), strength of the correction)."""
    drift = statistics.gram.drift() if method.target != "none" else None
    if method.target == "p1":
        return p1_target(statistics.weight, drift, factor), 1.0
    alpha = correction_strength(statistics, method) if method.alpha is None else method.alpha
    target = adaptive_target(statistics.weight, drift, factor, alpha)
    return target, alpha if drift is not None else 0.0


def correction_strength(statistics: GroupStatistics, method: Method) -> float:
    """α in [0, 1] with the least error on the selection tokens, in closed form.

    With the correction Δ = C(H + Λ)⁻¹ fitted on the other tokens, ‖D − α Δ X_s‖² is smallest on the
    selection tokens at α = ⟨C', Δ⟩ / ⟨Δ H', Δ⟩, where C' and H' are theirs. Too few fitting tokens
    give a Δ that fits noise, and then α is small.
    """
    fitting, selection = statistics.fitting, statistics.selection
    if fitting is None or selection is None or not (fitting.tokens and selection.tokens):
        return 0.0
    drift, selection_drift = fitting.drift(), selection.drift()
    if drift is None or selection_drift is None:
        return 0.0
    change = factorise(fitting.hessian(), method.damping).solve(drift)
    size = float(((change @ selection.hessian()) * change).sum())
    best = float((selection_drift * change).sum()) / size if size > 0 else 0.0
    return min(1.0, max(0.0, best))


def refit_weights(pruned: Tensor, problem: Problem, method: Method) -> Tensor:
    """The remaining weights after the method's refit, for the same mask; (d_out, d_in)."""
    hessian = problem.factor.hessian
    if method.refit == "cg":
        return refit(pruned, problem.target, hessian, method.steps, problem.metric)
    if method.refit in ("exact", "cholesky"):
        return refit_exactly(pruned, problem.target, hessian, problem.metric, problem.tick)
    return pruned

"""Callbacks that find or keep a mask during training: straight-through, hard-concrete, iterative
magnitude pruning, and a fixed mask.

A matrix W of the starting model and its mask m in {0, 1}: the model computes with W ∘ m. The model
always holds W ∘ m as ordinary weights, so a forward pass costs what it always costs; the gradient
of a mask is read off the weight's, ∂L/∂m = ∂L/∂(W ∘ m) ∘ W.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunescope.engine.pruning.patterns import zeros_of
from prunescope.engine.pruning.selection import smallest
from prunescope.engine.subnetworks.spec import SubnetworkSpec
from prunescope.engine.training.callbacks import TrainerCallback

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1  # of the hard-concrete distribution
Matrices = Mapping[str, nn.Parameter]  # the weights that are masked, (d_out, d_in), by name


class _Frozen(TrainerCallback):
    """Only scores learn, one for every weight of the matrices, and `trained` parameters where there
    are any.
    """

    # a mask begins far from what it will be, and a sure model that is wrong has a large loss
    tolerance = 5.0

    def __init__(
        self, model: nn.Module, matrices: Matrices, spec: SubnetworkSpec, trained: Matrices
    ) -> None:
        model.requires_grad_(False)
        for weight in (*matrices.values(), *trained.values()):
            weight.requires_grad_(True)
        self._matrices, self._spec, self._trained = dict(matrices), spec, dict(trained)
        # W, never changed
        self._own = {name: weight.detach().clone() for name, weight in matrices.items()}
        self.scores = {name: nn.Parameter(self._first(own)) for name, own in self._own.items()}

    def _first(self, own: Tensor) -> Tensor:
        raise NotImplementedError

    def trainable(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """The scores, and the parameters that are trained whole."""
        return {**{f"score.{name}": score for name, score in self.scores.items()}, **self._trained}

    def can_be_best(self, step: int, steps: int) -> bool:
        """No step before `keep_from` of them, where the mask still moves a lot."""
        return step >= self._spec.keep_from * steps

    @torch.no_grad()
    def _put(self, name: str, mask: Tensor) -> None:
        torch.mul(self._own[name], mask, out=self._matrices[name].data)

    @torch.no_grad()
    def on_evaluate(self, step: int, steps: int) -> None:
        """Put the subnetwork in place that would be returned now, at the final sparsity."""
        for name, score in self.scores.items():
            self._put(name, ~smallest(score, zeros_of(score.numel(), self._spec.sparsity)))

    def on_train_end(self) -> None:
        """Put the final subnetwork in place."""
        self.on_evaluate(1, 1)


class StraightThrough(_Frozen):
    """Mask training: m = 1 where m̂ ≥ φ, else 0, and ∂L/∂m̂ is taken for ∂L/∂m.

    φ of every matrix is set anew at intervals such that exactly the sparsity of that moment is
    removed. It lies halfway between the largest score removed and the smallest one kept, which for
    the hard initialisation with α = 2 is its own φ. Source: P2 (Liu et al., NeurIPS 2022), Eq. 1, 5
    and 6.
    """

    def __init__(
        self, model: nn.Module, matrices: Matrices, spec: SubnetworkSpec, trained: Matrices
    ) -> None:
        super().__init__(model, matrices, spec, trained)
        self._threshold = dict.fromkeys(matrices, -math.inf)

    def _first(self, own: Tensor) -> Tensor:
        if self._spec.init == "soft":
            return own.abs()
        remaining = ~smallest(own.abs(), zeros_of(own.numel(), self._spec.sparsity_at(0.0)))
        return remaining.to(own.dtype) * (self._spec.alpha * self._spec.phi)

    @torch.no_grad()
    def on_step_begin(self, step: int, steps: int) -> None:
        """Mask by the thresholds, which are set anew at intervals."""
        if step % max(1, round(self._spec.every * steps)) == 0:
            for name, score in self.scores.items():
                self._threshold[name] = self._reset(
                    name, score.detach(), self._spec.sparsity_at(step / steps)
                )
            return
        for name, score in self.scores.items():
            self._put(name, score >= self._threshold[name])

    def _reset(self, name: str, score: Tensor, sparsity: float) -> float:
        removed = smallest(score, zeros_of(score.numel(), sparsity))
        self._put(name, ~removed)
        if not bool(removed.any()):
            return -math.inf
        last, first = (
            score.masked_fill(~removed, -math.inf).max(),
            score.masked_fill(removed, math.inf).min(),
        )
        return (float(last) + float(first)) / 2

    @torch.no_grad()
    def on_after_backward(self) -> None:
        """The gradient of a score, ∂L/∂(W ∘ m) ∘ W, in place of the weight's."""
        for name, weight in self._matrices.items():
            assert weight.grad is not None
            # the memory of one gradient, not of two
            self.scores[name].grad = weight.grad.mul_(self._own[name])
            weight.grad = None

    def state(self) -> dict[str, Tensor]:
        """The thresholds."""
        return {
            name: torch.tensor(value, dtype=torch.float64)
            for name, value in self._threshold.items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take thresholds from `state`."""
        self._threshold |= {name: float(value) for name, value in state.items()}


class HardConcrete(_Frozen):
    """Masks drawn anew at every step: s = σ((log u − log(1 − u) + a)/β), m = clip(s(ζ − γ) + γ, 0,
    1), u uniform.

    To the loss comes λ times the mean chance of a mask above 0, σ(a − β log(−γ/ζ)). At the end the
    weights of smallest a are removed, exactly as many as the sparsity says. Sources: Louizos et
    al., ICLR 2018; RobustT (Zheng et al., ACL 2022).
    """

    def _first(self, own: Tensor) -> Tensor:
        start = math.log(self._spec.keep / (1 - self._spec.keep)) + BETA * math.log(-GAMMA / ZETA)
        # as drawn by the training's seed
        return torch.full_like(own, start) + 0.01 * torch.randn_like(own)

    def on_step_begin(self, step: int, steps: int) -> None:
        """Draw a mask of every matrix."""
        self._drawn = {
            name: hard_concrete(score, torch.rand_like(score))
            for name, score in self.scores.items()
        }
        for name, mask in self._drawn.items():
            self._put(name, mask.detach())

    def on_after_backward(self) -> None:
        """The gradients of the scores, the penalty's included."""
        count = sum(score.numel() for score in self.scores.values())
        for name, weight in self._matrices.items():
            assert weight.grad is not None
            expected = self._spec.penalty * chance_above_zero(self.scores[name]).sum() / count
            torch.autograd.backward(
                [self._drawn[name], expected],
                [weight.grad * self._own[name], torch.ones_like(expected)],
            )
            weight.grad = None


def hard_concrete(score: Tensor, uniform: Tensor) -> Tensor:
    """A mask in [0, 1] drawn with the numbers `uniform` in (0, 1); differentiable in the scores."""
    uniform = uniform.clamp(1e-6, 1 - 1e-6)
    sample = torch.sigmoid((uniform.log() - (1 - uniform).log() + score) / BETA)
    return (sample * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


def chance_above_zero(score: Tensor) -> Tensor:
    """P(m > 0) = σ(a − β log(−γ/ζ))."""
    return torch.sigmoid(score - BETA * math.log(-GAMMA / ZETA))


class Shrinking(TrainerCallback):
    """All weights learn, those removed stay 0: iterative magnitude pruning, or with a mask that is
    given, nothing but keeping it.

    At the shares 0, Δt, 2Δt, … of the steps a further Δs of every matrix is removed, the smallest
    magnitudes of what is left, until the sparsity is reached; `rewind` gives the start's weights
    back under the mask. Source: P2, Algorithm 1; Frankle and Carbin, ICLR 2019.
    """

    tolerance = 5.0

    def __init__(
        self,
        model: nn.Module,
        matrices: Matrices,
        spec: SubnetworkSpec,
        masks: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._matrices, self._spec, self._model = dict(matrices), spec, model
        self._removing = masks is None
        self.masks = {
            name: torch.ones_like(weight, dtype=torch.bool) for name, weight in matrices.items()
        }
        if masks is not None:
            self.masks |= {name: mask.clone() for name, mask in masks.items()}
        self._start = (
            {name: value.detach().clone() for name, value in model.state_dict().items()}
            if spec.rewind
            else {}
        )
        self._put()

    @torch.no_grad()
    def on_step_begin(self, step: int, steps: int) -> None:
        """Remove further weights where a removal is due."""
        due = {self._step_of(k, steps): k + 1 for k in range(self._spec.removals)}
        if not self._removing or step not in due:
            return
        share = min(due[step] * self._spec.stride, self._spec.sparsity)
        for name, weight in self._matrices.items():
            magnitude = torch.where(
                self.masks[name], weight.detach().abs(), torch.full_like(weight, -1.0)
            )
            self.masks[name] = ~smallest(magnitude, zeros_of(weight.numel(), share))
        self._put()

    @torch.no_grad()
    def on_after_backward(self) -> None:
        """Removed weights have no gradient."""
        for name, weight in self._matrices.items():
            if weight.grad is not None:
                weight.grad.mul_(self.masks[name])

    def on_step_end(self, step: int, steps: int) -> None:
        """Put removed weights back to 0."""
        self._put()  # an optimizer with momentum moves weights that have no gradient

    def _step_of(self, removal: int, steps: int) -> int:
        """The step before which a removal takes place; in a short training several may fall on one,
        and the last counts.
        """
        return min(round(removal * self._spec.interval * steps), steps - 1)

    def can_be_best(self, step: int, steps: int) -> bool:
        """No step before the last removal."""
        last = self._step_of(self._spec.removals - 1, steps)
        return not self._removing or step > max(last, 0)

    @torch.no_grad()
    def on_train_end(self) -> None:
        """Return the starting weights under the mask where `rewind` is on."""
        if self._spec.rewind:
            self._model.load_state_dict(self._start)
        self._put()

    @torch.no_grad()
    def _put(self) -> None:
        for name, weight in self._matrices.items():
            weight.data.mul_(self.masks[name])

    def state(self) -> dict[str, Tensor]:
        """The masks."""
        return {name: mask.to(torch.uint8) for name, mask in self.masks.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take masks from `state`."""
        self.masks |= {name: mask.bool() for name, mask in state.items()}
        self._put()

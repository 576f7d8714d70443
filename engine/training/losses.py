"""Losses of fine-tuning. Each adds its gradients to the weights' and returns its value.

The adversarial ones perturb the word embeddings x of a row by δ, over real tokens only. ‖·‖ is the
Frobenius norm over a row's embeddings, (tokens, width).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.engine.training.spec import TrainSpec

Inputs = dict[str, Tensor]
# (logits (rows, labels), labels (rows,), spec) → mean loss
Supervised = Callable[[Tensor, Tensor, TrainSpec], Tensor]


def cross_entropy(logits: Tensor, labels: Tensor, spec: TrainSpec) -> Tensor:
    """−1/n Σ log p(y), with the spec's label smoothing."""
    return functional.cross_entropy(logits.float(), labels, label_smoothing=spec.label_smoothing)


def plain_loss(
    model: nn.Module,
    inputs: Inputs,
    labels: Tensor,
    spec: TrainSpec,
    share: float = 1.0,
    supervised: Supervised = cross_entropy,
) -> float:
    """The supervised loss L(x, y), cross-entropy unless another one is given, times `share`."""
    loss = supervised(model(**inputs).logits, labels, spec) * share
    loss.backward()
    return float(loss.item())


def freelb_loss(
    model: nn.Module,
    inputs: Inputs,
    labels: Tensor,
    spec: TrainSpec,
    share: float = 1.0,
    supervised: Supervised = cross_entropy,
) -> float:
    """FreeLB: the gradients of K ascent steps, averaged.

    g = 1/K Σ_t ∇_θ L(x + δ_t, y), δ_{t+1} = Π(δ_t + a · ∇_δ L / ‖∇_δ L‖), Π the projection on ‖δ‖ ≤
    max norm where there is one. Source: Zhu et al., ICLR 2020.
    """
    point = _Embedded(model, inputs, spec)
    delta, total = point.start(), 0.0
    for step in range(spec.adv_steps):
        delta.requires_grad_()
        loss = supervised(point.logits(delta), labels, spec) * (share / spec.adv_steps)
        loss.backward()
        total += loss.item()
        if step + 1 < spec.adv_steps:
            delta = point.ascend(delta)
    return total


def pgd_loss(
    model: nn.Module,
    inputs: Inputs,
    labels: Tensor,
    spec: TrainSpec,
    share: float = 1.0,
    supervised: Supervised = cross_entropy,
) -> float:
    """PGD: the loss at the end of K ascent steps alone, L(x + δ_K, y). Source: Madry et al., ICLR
    2018.
    """
    point = _Embedded(model, inputs, spec)
    delta = point.climbed(lambda logits: supervised(logits, labels, spec))
    loss = supervised(point.logits(delta), labels, spec) * share
    loss.backward()
    return float(loss.item())


def smart_loss(
    model: nn.Module,
    inputs: Inputs,
    labels: Tensor,
    spec: TrainSpec,
    share: float = 1.0,
    supervised: Supervised = cross_entropy,
) -> float:
    """SMART's smoothness: L(x, y) + λ · D(p(x), p(x + δ_K)), D = KL(p‖q) + KL(q‖p), δ_K after K
    ascent steps on D.

    The Bregman proximal step of the paper is left out. Source: Jiang et al., ACL 2020.
    """
    point = _Embedded(model, inputs, spec)
    with torch.no_grad():
        before = point.logits(point.zero())
    delta = point.climbed(lambda logits: _divergence(logits, before))
    clean = point.logits(point.zero())
    loss = supervised(clean, labels, spec) + spec.adv_weight * _divergence(
        point.logits(delta), clean
    )
    (loss * share).backward()
    return float(loss.item()) * share


LOSSES: dict[str, Callable[..., float]] = {
    "none": plain_loss,
    "freelb": freelb_loss,
    "pgd": pgd_loss,
    "smart": smart_loss,
}


def _divergence(first: Tensor, second: Tensor) -> Tensor:
    p, q = first.float().log_softmax(dim=1), second.float().log_softmax(dim=1)
    return ((p.exp() - q.exp()) * (p - q)).sum(dim=1).mean()


class _Embedded:
    """A batch as word embeddings that can be perturbed."""

    def __init__(self, model: nn.Module, inputs: Inputs, spec: TrainSpec) -> None:
        self._embed = model.get_input_embeddings()  # type: ignore[operator]
        self._model, self._spec, self._ids = model, spec, inputs["input_ids"]
        self._none: Tensor = torch.zeros_like(
            self._embed(self._ids)
        ).detach()  # (rows, tokens, width)
        # (rows, tokens, 1)
        self._real = inputs["attention_mask"].unsqueeze(-1).to(self._none.dtype)
        self._inputs = inputs

    def logits(self, delta: Tensor) -> Tensor:
        """(rows, labels) at x + δ; the embeddings are looked up anew, so that they learn too where
        they are trained.

        δ is added as the model reads its ids, because a head that reads the last token finds it by
        the ids of the padding.
        """
        handle = self._embed.register_forward_hook(lambda _module, _ids, output: output + delta)
        try:
            logits: Tensor = self._model(**self._inputs).logits
        finally:
            handle.remove()
        return logits

    def zero(self) -> Tensor:
        """No perturbation, (rows, tokens, width)."""
        return self._none

    def start(self) -> Tensor:
        """Uniform in a cube whose size does not depend on a row's length: ± init / √(tokens ·
        width).
        """
        size = (self._real.sum(dim=(1, 2), keepdim=True) * self._none.shape[-1]).sqrt()
        noise: Tensor = (
            (torch.rand_like(self._none) * 2 - 1) * self._real * (self._spec.adv_init / size)
        )
        return noise.detach()

    def ascend(self, delta: Tensor) -> Tensor:
        """One normalised step up from where `backward` was called, projected."""
        gradient = delta.grad
        assert gradient is not None
        moved = (delta + self._spec.adv_lr * gradient / _norm(gradient)).detach() * self._real
        if self._spec.adv_max_norm:
            moved = moved * (self._spec.adv_max_norm / _norm(moved)).clamp_max(1.0)
        return moved

    def climbed(self, height: Callable[[Tensor], Tensor]) -> Tensor:
        """The perturbation after K steps up; the weights' gradients stay as they are."""
        delta = self.start()
        for _ in range(self._spec.adv_steps):
            delta.requires_grad_()
            (delta.grad,) = torch.autograd.grad(height(self.logits(delta)), delta)
            delta = self.ascend(delta)
        return delta


def _norm(value: Tensor) -> Tensor:
    """Norm of every row, (rows, 1, 1)."""
    norm: Tensor = value.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1)
    return norm

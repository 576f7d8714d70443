"""Losses that discount what a bias model already knows. Each gives the mean loss of a batch.

p is the model's distribution, b the bias model's, β = b(y) its probability of the true class.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from prunescope.engine.training.losses import Supervised, cross_entropy
from prunescope.engine.training.spec import TrainSpec


def product_of_experts(logits: Tensor, labels: Tensor, log_bias: Tensor) -> Tensor:
    """−1/n Σ log softmax(log p + log b)(y). Source: Clark et al., EMNLP 2019; P2."""
    return functional.cross_entropy(logits.float().log_softmax(dim=1) + log_bias, labels)


def reweighted(
    logits: Tensor, labels: Tensor, log_bias: Tensor, mean: Tensor | None = None
) -> Tensor:
    """Σ (1 − β) · −log p(y) / Σ (1 − β). Source: P2, Eq. 7, normalised as in its code.

    `mean` of 1 − β over all examples of a step, of which these are a part, takes the place of these
    rows' own.
    """
    weight = 1 - log_bias.gather(1, labels[:, None]).squeeze(1).exp()
    each = functional.cross_entropy(logits.float(), labels, reduction="none")
    return (weight * each).mean() / (weight.mean() if mean is None else mean).clamp_min(1e-12)


def confidence_regularised(
    logits: Tensor, labels: Tensor, log_bias: Tensor, teacher: Tensor
) -> Tensor:
    """−1/n Σ S · log p, S_j ∝ t_j^(1 − β), t the teacher's probabilities (rows, classes).

    Source: Utama et al., ACL 2020; P2, Eq. 8.
    """
    beta = log_bias.gather(1, labels[:, None]).exp()
    scaled = torch.softmax(teacher.clamp_min(1e-12).log() * (1 - beta), dim=1)
    return -(scaled * logits.float().log_softmax(dim=1)).sum(dim=1).mean()


def guessing(loss: str, labels: Tensor, log_bias: Tensor) -> float:
    """Mean loss of a model that guesses: the product with a bias model is then that model's own
    −1/n Σ log b(y).
    """
    return float(-log_bias.gather(1, labels[:, None]).mean()) if loss == "poe" else 0.0


def losses_of_rows(
    loss: str, log_bias: Tensor | None, teacher: Tensor | None, labels: Sequence[int], device: str
) -> Callable[[list[int], list[int]], Supervised]:
    """What gives the loss of a part of a step's rows, so that the parts' losses, each by its share
    of the rows, add up to the step's. `log_bias` and `teacher` are (rows, classes) and `labels`
    (rows,), over all examples.
    """
    if loss == "ce":
        return lambda part, rows: cross_entropy
    assert log_bias is not None
    log_probs = log_bias.to(device=device, dtype=torch.float32)
    taught = None if teacher is None else teacher.to(device=device, dtype=torch.float32)
    # 1 − β, (rows,)
    weights = 1 - log_probs.gather(1, torch.tensor(labels, device=device)[:, None]).squeeze(1).exp()

    def of(part: list[int], rows: list[int]) -> Supervised:
        bias, mean = log_probs[part], weights[rows].mean()

        def value(logits: Tensor, labels: Tensor, spec: TrainSpec) -> Tensor:
            if loss == "poe":
                return product_of_experts(logits, labels, bias)
            if loss == "reweight":
                return reweighted(logits, labels, bias, mean)
            assert taught is not None
            return confidence_regularised(logits, labels, bias, taught[part])

        return value

    return of

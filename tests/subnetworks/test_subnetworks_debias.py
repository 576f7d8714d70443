"""The debiasing losses row by row in float64, and where they end in plain cross-entropy."""

import math

import pytest
import torch
from torch import Tensor

from prunescope.engine.subnetworks.debias import (
    confidence_regularised,
    guessing,
    losses_of_rows,
    product_of_experts,
    reweighted,
)
from prunescope.engine.training.losses import cross_entropy
from prunescope.engine.training.spec import TrainSpec

SPEC = TrainSpec("x", seed=0, learning_rate=1e-3)
GENERATOR = torch.Generator().manual_seed(7)
LOGITS = torch.randn(6, 3, generator=GENERATOR, dtype=torch.float64)
BIAS = (2 * torch.randn(6, 3, generator=GENERATOR, dtype=torch.float64)).log_softmax(dim=1)
TEACHER = (2 * torch.randn(6, 3, generator=GENERATOR, dtype=torch.float64)).softmax(dim=1)
LABELS = torch.tensor([0, 2, 1, 1, 0, 2])


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


def by_hand(loss: str) -> float:
    """Every formula written out in Python's own numbers."""
    total, weights = 0.0, 0.0
    for logits, log_bias, taught, y in zip(
        LOGITS.tolist(), BIAS.tolist(), TEACHER.tolist(), LABELS.tolist(), strict=True
    ):
        p, beta = softmax(logits), math.exp(log_bias[y])
        if loss == "poe":
            total -= math.log(
                softmax([math.log(a) + b for a, b in zip(p, log_bias, strict=True)])[y]
            )
            weights += 1
        elif loss == "reweight":
            total -= (1 - beta) * math.log(p[y])
            weights += 1 - beta
        else:
            scaled = [t ** (1 - beta) for t in taught]
            total -= sum(s / sum(scaled) * math.log(a) for s, a in zip(scaled, p, strict=True))
            weights += 1
    return total / weights


@pytest.mark.parametrize(
    ("loss", "result"),
    [
        ("poe", lambda: product_of_experts(LOGITS, LABELS, BIAS)),
        ("reweight", lambda: reweighted(LOGITS, LABELS, BIAS)),
        ("confreg", lambda: confidence_regularised(LOGITS, LABELS, BIAS, TEACHER)),
    ],
)
def test_a_loss_is_its_formula(loss: str, result):
    assert float(result()) == pytest.approx(by_hand(loss), rel=1e-6)


def test_a_bias_that_knows_nothing_leaves_cross_entropy():
    flat = torch.full((6, 3), -math.log(3.0), dtype=torch.float64)
    plain = float(cross_entropy(LOGITS, LABELS, SPEC))
    assert float(product_of_experts(LOGITS, LABELS, flat)) == pytest.approx(plain, rel=1e-6)
    assert float(reweighted(LOGITS, LABELS, flat)) == pytest.approx(plain, rel=1e-6)


def test_a_row_the_bias_is_sure_of_teaches_little():
    """With β near 1 the gradient of every loss on that row vanishes or turns to the uniform
    distribution.
    """
    sure = torch.tensor([[-1e-4, -10.0, -10.0]], dtype=torch.float64)
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(product_of_experts(logits, torch.tensor([0]), sure), logits)
    assert float(gradient.abs().max()) < 1e-3
    both = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    flat = torch.full((1, 3), -math.log(3.0), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(
        reweighted(both, torch.tensor([0, 0]), torch.cat([sure, flat])), both
    )
    assert float(gradient[0].abs().max()) < 1e-3 * float(gradient[1].abs().max())
    (gradient,) = torch.autograd.grad(
        confidence_regularised(logits, torch.tensor([0]), sure, TEACHER[:1]), logits
    )
    assert float(gradient.abs().max()) < 1e-3


def test_what_guessing_costs_with_a_bias_is_the_biass_own_loss():
    uniform = torch.zeros(6, 3, dtype=torch.float64)
    assert guessing("poe", LABELS, BIAS) == pytest.approx(
        float(product_of_experts(uniform, LABELS, BIAS)), rel=1e-6
    )
    assert guessing("reweight", LABELS, BIAS) == 0


def test_rows_find_their_own_bias_and_teacher():
    def value(loss: str, teacher: Tensor | None) -> float:
        of = losses_of_rows(loss, BIAS, teacher, LABELS.tolist(), "cpu")
        return float(of([4, 1], [4, 1])(LOGITS[[4, 1]], LABELS[[4, 1]], SPEC))

    assert value("poe", None) == pytest.approx(
        float(product_of_experts(LOGITS[[4, 1]], LABELS[[4, 1]], BIAS[[4, 1]])), rel=1e-6
    )
    expected = confidence_regularised(LOGITS[[4, 1]], LABELS[[4, 1]], BIAS[[4, 1]], TEACHER[[4, 1]])
    assert value("confreg", TEACHER) == pytest.approx(float(expected), rel=1e-6)
    assert losses_of_rows("ce", None, None, (), "cpu")([0], [0]) is cross_entropy


@pytest.mark.parametrize("loss", ["poe", "reweight", "confreg"])
def test_parts_of_a_step_add_up_to_the_step(loss: str):
    rows, teacher = list(range(len(LABELS))), LOGITS.softmax(dim=1)
    of = losses_of_rows(loss, BIAS, teacher, LABELS.tolist(), "cpu")
    whole = float(of(rows, rows)(LOGITS, LABELS, SPEC))
    parts = [
        float(of(part, rows)(LOGITS[part], LABELS[part], SPEC)) * len(part) / len(rows)
        for part in (rows[:2], rows[2:])
    ]
    assert sum(parts) == pytest.approx(whole, rel=1e-5)

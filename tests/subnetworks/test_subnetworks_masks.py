"""Masks against slow oracles in float64: gradients, schedules, exact counts, and weights that never
change.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunescope.engine.errors import SettingError
from prunescope.engine.subnetworks.masks import (
    BETA,
    GAMMA,
    ZETA,
    HardConcrete,
    Shrinking,
    StraightThrough,
    chance_above_zero,
    hard_concrete,
)
from prunescope.engine.subnetworks.spec import SubnetworkSpec


class Small(nn.Module):
    """y = b · tanh(a x)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b = nn.Linear(6, 5, bias=False).double(), nn.Linear(5, 2).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(torch.tanh(self.a(x)))


X = torch.randn(7, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def matrices(model: Small) -> dict[str, nn.Parameter]:
    return {"a": model.a.weight, "b": model.b.weight}


def callback(kind: type, model: Small, **changes: Any) -> Any:
    return kind(model, matrices(model), SubnetworkSpec(**changes), {})


# Straight through


@pytest.mark.parametrize("init", ["hard", "soft"])
def test_a_score_gets_the_gradient_of_its_mask(init: str):
    model = Small()
    own = {name: weight.detach().clone() for name, weight in matrices(model).items()}
    ste = callback(StraightThrough, model, sparsity=0.5, init=init)
    ste.on_step_begin(0, 10)
    model(X).square().sum().backward()
    ste.on_after_backward()
    masks = {
        name: (weight.detach() != 0).double().requires_grad_()
        for name, weight in matrices(model).items()
    }
    value = (
        (
            torch.tanh(X @ (own["a"] * masks["a"]).T) @ (own["b"] * masks["b"]).T
            + model.b.bias.detach()
        )
        .square()
        .sum()
    )
    expected = torch.autograd.grad(value, list(masks.values()))
    for name, gradient in zip(masks, expected, strict=True):
        assert torch.allclose(ste.scores[name].grad, gradient, rtol=1e-12, atol=1e-12)
        assert matrices(model)[name].grad is None


def test_the_hard_initialisation_keeps_the_largest_weights_at_alpha_phi_and_its_threshold_is_phi():
    model = Small()
    own = model.a.weight.detach().clone()
    ste = callback(StraightThrough, model, sparsity=0.4, init="hard", phi=0.03, alpha=2.0)
    edge = own.abs().flatten().sort().values[12]  # 12 of 30 are removed
    assert torch.equal(ste.scores["a"].detach(), (own.abs() >= edge).double() * 0.06)
    ste.on_step_begin(0, 10)
    assert float(ste.state()["a"]) == pytest.approx(0.03)
    assert int((model.a.weight == 0).sum()) == 12


def test_between_resets_a_mask_is_the_score_against_the_threshold():
    model = Small()
    own = model.a.weight.detach().clone()
    ste = callback(StraightThrough, model, sparsity=0.5, init="soft", every=0.5)
    ste.on_step_begin(0, 10)
    threshold = float(ste.state()["a"])
    with torch.no_grad():
        ste.scores["a"].add_(0.2 * torch.randn(5, 6, generator=torch.Generator().manual_seed(2)))
    ste.on_step_begin(1, 10)
    assert torch.equal(model.a.weight.detach(), own * (ste.scores["a"].detach() >= threshold))
    # it has moved away, and the next reset takes it back
    assert int((model.a.weight == 0).sum()) != 15
    ste.on_step_begin(5, 10)
    assert int((model.a.weight == 0).sum()) == 15


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.0, 0.96),
    st.floats(0.0, 1.0),
    st.integers(1, 30),
    st.sampled_from(["hard", "soft"]),
    st.integers(0, 5),
)
def test_every_reset_and_the_end_are_exact_to_the_weight(
    sparsity: float, first: float, step: int, init: str, seed: int
):
    model = Small()
    first = first * sparsity
    spec = SubnetworkSpec(sparsity=sparsity, first=first, growth="gradual", init=init, every=1 / 30)
    ste = StraightThrough(model, {"a": model.a.weight}, spec, {})
    with torch.no_grad():
        ste.scores["a"].mul_(
            torch.randn(5, 6, generator=torch.Generator().manual_seed(seed)).abs().double()
        )
    ste.on_step_begin(step, 30)
    removed = step / 30
    requested = sparsity + (first - sparsity) * (1 - removed) ** 3
    assert int((model.a.weight == 0).sum()) == int(30 * requested + 0.5)
    ste.on_train_end()
    assert int((model.a.weight == 0).sum()) == int(30 * sparsity + 0.5)


def test_the_cubic_schedule_is_the_published_one():
    spec = SubnetworkSpec(sparsity=0.9, first=0.7, growth="gradual", init="soft")
    for t in (0.0, 0.1, 0.35, 0.8, 1.0):
        assert spec.sparsity_at(t) == pytest.approx(0.9 + (0.7 - 0.9) * (1 - t) ** 3, abs=1e-15)
    assert spec.sparsity_at(0.0) == pytest.approx(0.7) and spec.sparsity_at(2.0) == 0.9
    assert SubnetworkSpec(sparsity=0.9).sparsity_at(0.0) == 0.9


# Hard concrete


def test_a_drawn_mask_is_as_often_above_zero_as_it_says_and_has_the_right_gradient():
    generator = torch.Generator().manual_seed(5)
    for value in (-2.0, 0.0, 1.5):
        score = torch.full((200_000,), value, dtype=torch.float64, requires_grad=True)
        uniform = torch.rand(200_000, generator=generator, dtype=torch.float64)
        mask = hard_concrete(score, uniform)
        expected = 1 / (1 + math.exp(-(value - BETA * math.log(-GAMMA / ZETA))))
        spread = math.sqrt(expected * (1 - expected) / 200_000)
        assert float((mask.detach() > 0).double().mean()) == pytest.approx(expected, abs=4 * spread)
        assert float(chance_above_zero(score[:1]).detach()) == pytest.approx(expected, rel=1e-12)
        mask.sum().backward()
        moved = (
            hard_concrete(score.detach() + 1e-6, uniform)
            - hard_concrete(score.detach() - 1e-6, uniform)
        ) / 2e-6
        assert torch.allclose(score.grad, moved, atol=1e-4)


def test_a_hard_concrete_score_gets_the_gradient_of_loss_and_penalty():
    model = Small()
    torch.manual_seed(0)
    own = {name: weight.detach().clone() for name, weight in matrices(model).items()}
    sample = callback(HardConcrete, model, method="hard-concrete", sparsity=0.5, penalty=0.7)
    torch.manual_seed(8)
    sample.on_step_begin(0, 10)
    model(X).square().sum().backward()
    sample.on_after_backward()
    torch.manual_seed(8)
    scores = {
        name: score.detach().clone().requires_grad_() for name, score in sample.scores.items()
    }
    masks = {name: hard_concrete(score, torch.rand_like(score)) for name, score in scores.items()}
    value = (
        (
            torch.tanh(X @ (own["a"] * masks["a"]).T) @ (own["b"] * masks["b"]).T
            + model.b.bias.detach()
        )
        .square()
        .sum()
    )
    value = value + 0.7 * sum(chance_above_zero(score).sum() for score in scores.values()) / 40
    for name, gradient in zip(
        scores, torch.autograd.grad(value, list(scores.values())), strict=True
    ):
        assert torch.allclose(sample.scores[name].grad, gradient, rtol=1e-9, atol=1e-12)
    sample.on_train_end()
    assert [int((weight == 0).sum()) for weight in matrices(model).values()] == [15, 5]
    remaining = sample.scores["a"].detach()[model.a.weight != 0]
    assert float(remaining.min()) > float(sample.scores["a"].detach()[model.a.weight == 0].max())
    assert torch.equal(model.a.weight[model.a.weight != 0], own["a"][model.a.weight != 0])


# Iterative magnitude pruning


def trained(
    shrinking: Shrinking, model: Small, steps: int, each: Callable[[int], None] = lambda step: None
) -> None:
    optimizer = torch.optim.AdamW(shrinking.trainable(model).values(), lr=0.05)
    for step in range(steps):
        shrinking.on_step_begin(step, steps)
        each(step)
        model(X).square().sum().backward()
        shrinking.on_after_backward()
        optimizer.step()
        optimizer.zero_grad()
        shrinking.on_step_end(step + 1, steps)


def test_iterative_pruning_removes_a_tenth_at_every_tenth_and_what_is_removed_stays():
    model, counts, dead = Small(), [], torch.zeros(5, 6, dtype=torch.bool)

    def look(step: int) -> None:
        nonlocal dead
        zero = model.a.weight.detach() == 0
        assert bool((zero | ~dead).all())
        dead = zero
        counts.append(int(zero.sum()))

    shrinking = Shrinking(model, {"a": model.a.weight}, SubnetworkSpec("imp", sparsity=0.5))
    trained(shrinking, model, 20, look)
    shrinking.on_train_end()
    assert counts[::2] == [3, 6, 9, 12, 15, 15, 15, 15, 15, 15]
    assert int((model.a.weight == 0).sum()) == 15


@pytest.mark.parametrize("steps", [1, 2, 4, 5])
@pytest.mark.parametrize(
    "settings", [{"sparsity": 0.9}, {"sparsity": 0.9, "stride": 0.25, "interval": 0.3}]
)
def test_however_short_the_training_all_is_removed_in_the_end(
    steps: int, settings: dict[str, float]
):
    model = Small()
    shrinking = Shrinking(model, {"a": model.a.weight}, SubnetworkSpec("imp", **settings))  # type: ignore[arg-type]
    trained(shrinking, model, steps)
    shrinking.on_train_end()
    assert int((model.a.weight == 0).sum()) == 27
    assert shrinking.can_be_best(steps, steps)


def test_it_removes_the_smallest_of_what_is_left():
    model = Small()
    with torch.no_grad():
        model.a.weight.copy_(torch.arange(1, 31, dtype=torch.float64).view(5, 6))
    shrinking = Shrinking(model, {"a": model.a.weight}, SubnetworkSpec("imp", sparsity=0.2))
    shrinking.on_step_begin(0, 10)
    assert model.a.weight.flatten()[:4].tolist() == [0, 0, 0, 4]
    with torch.no_grad():
        model.a.weight.view(-1)[10] = 0.5
    shrinking.on_step_begin(1, 10)
    assert torch.nonzero(model.a.weight.flatten() == 0).flatten().tolist() == [0, 1, 2, 3, 4, 10]


def test_rewinding_returns_the_starts_own_weights_under_the_mask():
    model = Small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shrinking = Shrinking(
        model, {"a": model.a.weight}, SubnetworkSpec("imp", sparsity=0.5, rewind=True)
    )
    trained(shrinking, model, 10)
    assert not torch.equal(model.b.bias, before["b.bias"])
    shrinking.on_train_end()
    remaining = shrinking.masks["a"]
    assert (
        torch.equal(model.a.weight, before["a.weight"] * remaining)
        and int((~remaining).sum()) == 15
    )
    assert torch.equal(model.b.weight, before["b.weight"]) and torch.equal(
        model.b.bias, before["b.bias"]
    )


def test_a_mask_that_is_given_stays_whatever_the_optimizer_does():
    model = Small()
    mask = torch.rand(5, 6, generator=torch.Generator().manual_seed(4)) > 0.5
    shrinking = Shrinking(model, {"a": model.a.weight}, SubnetworkSpec("isolated"), {"a": mask})
    trained(shrinking, model, 6, lambda step: None)
    assert torch.equal(model.a.weight == 0, ~mask)


# Bad settings


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {"growth": "gradual", "sparsity": 0.5, "first": 0.7},
            "goes down, from a sparsity of 0.7 to 0.5",
        ),
        ({"method": "imp", "sparsity": 0.9, "interval": 0.2}, "would end at 1.6"),
        ({"sparsity": 1.0}, r"`sparsity` is 1.0; it must be a number in \[0, 1\)"),
        ({"loss": "focal"}, "`loss` is 'focal'; it must be one of ce"),
        ({"every": 0.0}, "`every` is 0.0"),
        ({"keep": 1.0}, "`keep` is 1.0"),
        ({"alpha": 1.0}, "`alpha` is 1.0; it must be a number above 1"),
        ({"phi": math.nan}, "`phi` is nan"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(changes: dict[str, Any], messages: str):
    with pytest.raises(SettingError, match=messages):
        SubnetworkSpec(**changes)


def test_a_matrix_that_would_be_emptied_is_named():
    with pytest.raises(SettingError, match="leaves none of the 10 weights of classifier"):
        SubnetworkSpec(sparsity=0.96).check_matrices({"0.query": 1000, "classifier": 10})
    SubnetworkSpec(sparsity=0.94).check_matrices({"classifier": 10})

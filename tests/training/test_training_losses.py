"""Each loss against a slow oracle in float64, and what perturbations may and may not do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from prunescope.engine.models.victim import Victim
from prunescope.engine.training.losses import LOSSES, freelb_loss, plain_loss
from prunescope.engine.training.spec import ADVERSARIAL, TrainSpec

SPEC = TrainSpec(
    "member", seed=1, learning_rate=0.01, rank=0, adv_steps=3, adv_lr=0.6, adv_init=0.5
)
TEXTS = ["good film", "a slow and very dull plot", "the actor and the scene", "bad"]
LABELS = torch.tensor([1, 0, 1, 0])
WORDS = "bert.embeddings.word_embeddings.weight"

Inputs = dict[str, Tensor]


@pytest.fixture
def model(victim: Victim) -> Any:
    """The tiny classifier in double precision, without dropout."""
    return victim.model.double().eval()


@pytest.fixture
def inputs(victim: Victim) -> Inputs:
    """A batch of four rows of 4 to 8 tokens."""
    return dict(victim.tokenizer(TEXTS, padding=True, return_tensors="pt"))


def gradients(model: Any, step: Callable[[], Any]) -> tuple[float, dict[str, Tensor]]:
    """(the value, what it added to the weights' gradients)"""
    model.zero_grad()
    value = step()
    if isinstance(value, Tensor):
        value.backward()
        value = value.item()
    return value, {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }


def agree(
    result: tuple[float, dict[str, Tensor]], expected: tuple[float, dict[str, Tensor]]
) -> None:
    assert result[0] == pytest.approx(expected[0], rel=1e-6)
    assert result[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        # cross-entropy is single precision
        assert torch.allclose(result[1][name], value, rtol=1e-3, atol=1e-6), name


# Oracles: one row at a time, every formula written out


def nll(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Σ_c q_c · −log p_c, q = (1 − ε) · onehot + ε / C, averaged over rows."""
    total = torch.zeros((), dtype=logits.dtype)
    for row, label in zip(logits, labels.tolist(), strict=True):
        log_p = row - torch.log(torch.exp(row).sum())
        expected = torch.full_like(row, smoothing / len(row))
        expected[label] += 1 - smoothing
        total = total - (expected * log_p).sum()
    return total / len(labels)


def symmetric_kl(item: Tensor, two: Tensor) -> Tensor:
    """KL(p‖q) + KL(q‖p), averaged over rows."""
    p, q = (torch.exp(x) / torch.exp(x).sum(dim=1, keepdim=True) for x in (item, two))
    return ((p * torch.log(p / q)).sum() + (q * torch.log(q / p)).sum()) / len(item)


class Oracle:
    """Ascent on word embeddings, row by row and token by token."""

    def __init__(self, model: Any, inputs: Inputs, spec: TrainSpec) -> None:
        self.model, self.spec, self.ids = model, spec, inputs["input_ids"]
        self.rest = {name: value for name, value in inputs.items() if name != "input_ids"}
        self.mask = inputs["attention_mask"]
        self.table = dict(model.named_parameters())[WORDS]

    def logits(self, delta: Tensor) -> Tensor:
        return self.model(inputs_embeds=self.table[self.ids] + delta, **self.rest).logits

    def start(self) -> Tensor:
        """Drawn as one block, scaled by init / √(tokens · width), nothing on padding."""
        sample = torch.rand(*self.ids.shape, self.table.shape[1], dtype=self.table.dtype) * 2 - 1
        for row in range(len(sample)):
            tokens = int(self.mask[row].sum())
            sample[row, tokens:] = 0
            sample[row] *= self.spec.adv_init / (tokens * self.table.shape[1]) ** 0.5
        return sample

    def up(self, delta: Tensor, height: Callable[[Tensor], Tensor]) -> Tensor:
        """δ + a · g / ‖g‖ for each row, then shortened to the max norm."""
        delta = delta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(height(self.logits(delta)), delta)
        moved = delta.detach().clone()
        for row in range(len(moved)):
            moved[row] += self.spec.adv_lr * gradient[row] / (gradient[row] ** 2).sum() ** 0.5
            moved[row, int(self.mask[row].sum()) :] = 0
            length = float((moved[row] ** 2).sum() ** 0.5)
            if self.spec.adv_max_norm and length > self.spec.adv_max_norm:
                moved[row] *= self.spec.adv_max_norm / length
        return moved


def oracle(kind: str, model: Any, inputs: Inputs, spec: TrainSpec) -> Tensor:
    """The loss whose gradient the named one adds."""
    point = Oracle(model, inputs, spec)

    def cost(logits: Tensor) -> Tensor:
        return nll(logits, LABELS, spec.label_smoothing)

    if kind == "none":
        return cost(model(**inputs).logits)
    delta = point.start()
    if kind == "freelb":
        total = torch.zeros((), dtype=torch.float64)
        for _ in range(spec.adv_steps):
            total = total + cost(point.logits(delta))
            delta = point.up(delta, cost)
        return total / spec.adv_steps
    zero = torch.zeros_like(delta)
    clean = point.logits(zero).detach()
    for _ in range(spec.adv_steps):
        delta = point.up(
            delta, cost if kind == "pgd" else lambda logits: symmetric_kl(logits, clean)
        )
    if kind == "pgd":
        return cost(point.logits(delta))
    now = point.logits(zero)
    return cost(now) + spec.adv_weight * symmetric_kl(now, point.logits(delta))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("bound", [0.0, 0.55, 1.0])  # always and at times in force
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_loss_and_gradient_are_the_oracles(
    model: Any, inputs: Inputs, kind: str, bound: float, smoothing: float
):
    spec = replace(
        SPEC, adversarial=kind, adv_max_norm=bound, label_smoothing=smoothing, adv_weight=0.7
    )
    torch.manual_seed(3)
    result = gradients(model, lambda: LOSSES[kind](model, inputs, LABELS, spec))
    torch.manual_seed(3)
    agree(result, gradients(model, lambda: oracle(kind, model, inputs, spec)))
    assert result[1][WORDS].any()  # embeddings learn


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_a_share_scales_value_and_gradient(model: Any, inputs: Inputs, kind: str):
    torch.manual_seed(3)
    value, whole = gradients(model, lambda: LOSSES[kind](model, inputs, LABELS, SPEC))
    torch.manual_seed(3)
    agree(
        gradients(model, lambda: LOSSES[kind](model, inputs, LABELS, SPEC, 0.25)),
        (value / 4, {name: result / 4 for name, result in whole.items()}),
    )


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_a_loss_adds_to_what_is_there(model: Any, inputs: Inputs, kind: str):
    spec = replace(SPEC, adv_init=0.0)
    value, once = gradients(model, lambda: LOSSES[kind](model, inputs, LABELS, spec))
    result = gradients(
        model, lambda: sum(LOSSES[kind](model, inputs, LABELS, spec) for _ in range(2))
    )
    agree(result, (2 * value, {name: 2 * result for name, result in once.items()}))


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("kind", ["none", "freelb", "pgd"])
def test_pieces_add_up_to_the_whole_batch(
    model: Any, inputs: Inputs, kind: str, sizes: tuple[int, ...]
):
    # nothing drawn: a row's ascent does not depend on its neighbours
    spec = replace(SPEC, adv_init=0.0)
    whole = gradients(model, lambda: LOSSES[kind](model, inputs, LABELS, spec))

    def in_pieces() -> float:
        total, start = 0.0, 0
        for size in sizes:
            rows = slice(start, start + size)
            part = {name: value[rows] for name, value in inputs.items()}
            total += LOSSES[kind](model, part, LABELS[rows], spec, size / len(LABELS))
            start += size
        return total

    agree(gradients(model, in_pieces), whole)


def test_without_ascent_all_losses_are_the_plain_one(model: Any, inputs: Inputs):
    spec = replace(SPEC, adv_init=0.0, adv_lr=0.0)
    expected = gradients(model, lambda: plain_loss(model, inputs, LABELS, spec))
    for kind in ADVERSARIAL:
        agree(
            gradients(model, lambda kind=kind: LOSSES[kind](model, inputs, LABELS, spec)), expected
        )


# Perturbations


def perturbations(model: Any, inputs: Inputs, kind: str, spec: TrainSpec) -> list[Tensor]:
    """What every forward pass added to the embeddings, (rows, tokens, width)."""
    sums: list[Tensor] = []  # words, positions and types, as they are normalised
    hook = model.bert.embeddings.LayerNorm.register_forward_pre_hook(
        lambda _module, args: sums.append(args[0].detach())
    )
    model(**inputs)
    torch.manual_seed(5)
    LOSSES[kind](model, inputs, LABELS, spec)
    hook.remove()
    return [value - sums[0] for value in sums[1:]]


def norms(delta: Tensor) -> Tensor:
    return delta.flatten(1).norm(dim=1)


@pytest.mark.parametrize("kind", ["freelb", "pgd", "smart"])
def test_padding_is_left_alone(model: Any, inputs: Inputs, kind: str):
    padding = inputs["attention_mask"] == 0
    assert padding.any()
    arguments = perturbations(model, inputs, kind, SPEC)
    assert len(arguments) == {"freelb": 3, "pgd": 4, "smart": 6}[kind]
    assert all(not delta[padding].any() for delta in arguments)
    moved = [delta for delta in arguments if delta.any()]
    assert len(moved) == {"freelb": 3, "pgd": 4, "smart": 4}[kind]
    assert all(bool((delta[~padding].norm(dim=-1) > 0).all()) for delta in moved)


@pytest.mark.parametrize("kind", ["freelb", "pgd", "smart"])
def test_no_perturbation_is_larger_than_its_bound(model: Any, inputs: Inputs, kind: str):
    arguments = perturbations(model, inputs, kind, replace(SPEC, adv_init=0.3, adv_max_norm=0.4))
    assert all(bool((norms(delta) <= 0.4 + 1e-9).all()) for delta in arguments)
    assert any(
        torch.allclose(norms(delta), torch.tensor(0.4, dtype=torch.float64)) for delta in arguments
    )


def test_an_unbounded_perturbation_grows_by_its_step(model: Any, inputs: Inputs):
    start, *after = perturbations(model, inputs, "freelb", replace(SPEC, adv_init=0.0, adv_lr=0.7))
    assert not start.any()
    assert torch.allclose(norms(after[0]), torch.tensor(0.7, dtype=torch.float64))
    assert torch.allclose(norms(after[1] - after[0]), torch.tensor(0.7, dtype=torch.float64))


def test_the_start_has_the_same_size_whatever_a_rows_length(model: Any, inputs: Inputs):
    starts = [norms(perturbations(model, inputs, "freelb", replace(SPEC, adv_init=0.9))[0])]
    expected = 0.9 / 3**0.5  # uniform on ± 1 has the variance 1/3
    assert bool(((starts[0] > 0.85 * expected) & (starts[0] < 1.15 * expected)).all())
    assert bool((starts[0] <= 0.9).all())


@pytest.mark.parametrize("kind", ["freelb", "pgd", "smart"])
def test_the_ascent_goes_up(model: Any, inputs: Inputs, kind: str):
    spec = replace(SPEC, adv_init=1e-3, adv_lr=0.02)
    assert LOSSES[kind](model, inputs, LABELS, spec) > plain_loss(model, inputs, LABELS, spec)


def test_only_weights_that_learn_get_gradients(model: Any, inputs: Inputs):
    for name, weight in model.named_parameters():
        weight.requires_grad_("classifier" in name)
    for kind in ADVERSARIAL:
        _, result = gradients(model, lambda kind=kind: LOSSES[kind](model, inputs, LABELS, SPEC))
        assert set(result) == {"classifier.weight", "classifier.bias"}, kind


def test_half_precision_forward_passes_give_finite_gradients(victim: Victim, inputs: Inputs):
    model = victim.model.float()
    for kind in ADVERSARIAL:
        with torch.autocast("cpu", torch.bfloat16):
            value, result = gradients(
                model, lambda kind=kind: LOSSES[kind](model, inputs, LABELS, SPEC)
            )
        assert abs(value) < 100 and all(bool(grad.isfinite().all()) for grad in result.values())
        assert {grad.dtype for grad in result.values()} == {torch.float32}


def test_freelb_takes_as_many_steps_as_asked_for(model: Any, inputs: Inputs):
    for steps in (1, 2, 5):
        spec = replace(SPEC, adv_steps=steps)
        assert len(perturbations(model, inputs, "freelb", spec)) == steps
    item = freelb_loss(model, inputs, LABELS, replace(SPEC, adv_steps=1, adv_init=0.0))
    assert item == pytest.approx(plain_loss(model, inputs, LABELS, SPEC), rel=1e-9)

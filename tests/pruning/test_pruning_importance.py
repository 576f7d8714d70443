"""Importance against the full Jacobian of the last [CLS], and what it depends on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from small_models import FAMILIES
from torch import Tensor

from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning import importance as importance_module
from prunescope.engine.pruning.importance import (
    FLOOR,
    OUTPUT_FLOOR,
    Importance,
    OutputMetric,
    measure_importance,
)
from prunescope.engine.records import MODULES

LAYERS = [f"{block}.{name}" for block in range(2) for name in MODULES]


def jacobians(victim: Victim, text: str) -> dict[str, Tensor]:
    """∂h/∂y_ti of every linear's output, (width of h, tokens, d_out), a component of h at a time
    through the padded model.
    """
    outputs: dict[str, Tensor] = {}
    hooks = []
    for name, linear in victim.linears().items():
        hooks.append(
            linear.module.register_forward_hook(
                lambda _m, _i, out, key=name: outputs.update({key: out})
            )
        )
    hidden = victim.model.bert(**victim.tokenizer(text, return_tensors="pt")).last_hidden_state[
        0, 0
    ]
    for hook in hooks:
        hook.remove()
    parts: dict[str, list[Tensor]] = {key: [] for key in outputs}
    for place in range(len(hidden)):
        found = torch.autograd.grad(
            hidden[place], list(outputs.values()), retain_graph=True, allow_unused=True
        )
        for (key, value), gradient in zip(outputs.items(), found, strict=True):
            parts[key].append(
                (torch.zeros_like(value) if gradient is None else gradient)[0].double()
            )
    return {key: torch.stack(value) for key, value in parts.items()}


@dataclass(frozen=True)
class Truth:
    """The same by the whole Jacobian: kinds (3,), moments (d_out, d_out) of mean diagonal 1, and
    their scale.
    """

    kinds: dict[str, Tensor]
    moments: dict[str, Tensor]
    scale: dict[str, float]


def oracle(victim: Victim, texts: tuple[str, ...]) -> Truth:
    parts: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
    kinds: list[int] = []
    for text in texts:
        for layer, found in jacobians(victim, text).items():
            parts[layer].append(found)
        kinds += [0] + [2] * (parts[LAYERS[0]][-1].shape[1] - 2) + [1]
    which, truth = torch.tensor(kinds), Truth({}, {}, {})
    for layer in LAYERS:
        whole = torch.cat(parts[layer], dim=1)  # (width, all tokens, d_out)
        tokens = whole.square().sum(dim=(0, 2))
        moment = torch.einsum("kti,ktj->ij", whole, whole)
        truth.kinds[layer] = (
            torch.stack([tokens[which == kind].mean() for kind in range(3)]) / tokens.mean()
        )
        truth.moments[layer] = moment / moment.diagonal().mean()
        truth.scale[layer] = float(moment.diagonal().mean() / len(kinds))
    return truth


def without_floor(metric: OutputMetric) -> Tensor:
    """E g gᵀ of mean diagonal 1 again; the diagonal where no more is kept."""
    whole = torch.diag(metric.diagonal) if metric.matrix is None else metric.matrix
    return ((whole - OUTPUT_FLOOR * torch.eye(len(whole))) / (1 - OUTPUT_FLOOR)).double()


def kept(layer: str, moment: Tensor) -> Tensor:
    """What of a moment is kept: behind the intermediate linear, its diagonal."""
    return torch.diag(moment.diagonal()) if layer.endswith("intermediate") else moment


class Units:
    """In place of a generator of directions: √width times a unit vector, the same for all
    sentences.
    """

    def __init__(self, place: int) -> None:
        self.place = place

    def __call__(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        found = torch.zeros(shape)
        found[:, self.place] = shape[1] ** 0.5
        return found


def test_over_all_directions_it_is_the_jacobian(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    """E over v replaced by the mean over the unit vectors times √width, which is exact."""
    texts, width = sentences[:6], 32
    found: list[Importance] = []
    with monkeypatch.context() as patch:
        for place in range(width):
            patch.setattr(importance_module.torch, "randn", Units(place))
            found.append(measure_importance(dense, texts, None))
    truth = oracle(dense, texts)
    for layer in LAYERS:
        sizes = torch.tensor([one.scale[layer] for one in found], dtype=torch.float64)
        assert float(sizes.mean()) == pytest.approx(truth.scale[layer], rel=1e-3)
        kinds = (
            sum(size * one.kinds[layer].double() for size, one in zip(sizes, found, strict=True))
            / sizes.sum()
        )
        moment = (
            sum(
                size * without_floor(one.outputs[layer])
                for size, one in zip(sizes, found, strict=True)
            )
            / sizes.sum()
        )
        assert torch.allclose(kinds, truth.kinds[layer], rtol=1e-3, atol=1e-6), layer
        assert torch.allclose(moment, kept(layer, truth.moments[layer]), rtol=1e-3, atol=1e-4), (
            layer
        )


def test_random_directions_come_near_the_jacobian(dense: Victim, sentences: tuple[str, ...]):
    truth = oracle(dense, sentences[:60])
    found = measure_importance(dense, sentences[:60], None)
    for layer in LAYERS:
        assert (
            float((found.kinds[layer] - truth.kinds[layer]).norm() / truth.kinds[layer].norm())
            < 0.2
        )
        moment = kept(layer, truth.moments[layer])
        assert float((without_floor(found.outputs[layer]) - moment).norm() / moment.norm()) < 0.45
        assert found.scale[layer] == pytest.approx(truth.scale[layer], rel=0.2)
    last = found.kinds["1.output"]  # of the last block only [CLS] is read
    assert last[0] > 0 and last[1:].tolist() == [0.0, 0.0]


def test_an_error_of_an_output_moves_cls_by_what_the_metric_says(
    dense: Victim, sentences: tuple[str, ...]
):
    """The costs of an error along the outputs that carry furthest and least, against the whole
    Jacobian's.
    """
    truth = oracle(dense, sentences[:20])
    found = measure_importance(dense, sentences[:20], None)
    for layer in ("0.output", "1.value"):
        metric, moment = found.outputs[layer], truth.moments[layer]
        values, vectors = torch.linalg.eigh(moment)
        far, near = vectors[:, -1:].float(), vectors[:, :1].float()
        cost = [float((error * metric(error)).sum()) for error in (far, near)]
        assert cost[0] == pytest.approx(
            OUTPUT_FLOOR + (1 - OUTPUT_FLOOR) * float(values[-1]), rel=0.3
        )
        assert cost[1] < 0.2 * cost[0]


def test_axes_are_those_of_the_unit_diagonal(dense: Victim, sentences: tuple[str, ...]):
    found = measure_importance(dense, sentences[:40], None).outputs
    values, vectors = found["0.query"].axes or (torch.empty(0), torch.empty(0))
    rebuilt = vectors @ torch.diag(values) @ vectors.T
    assert torch.allclose(
        rebuilt.diagonal(), torch.ones(32), atol=1e-4
    ) and values.tolist() == sorted(values.tolist())
    scale, matrix = found["0.query"].diagonal.sqrt(), found["0.query"].matrix
    assert matrix is not None and torch.allclose(
        rebuilt * scale * scale[:, None], matrix, atol=1e-4
    )
    assert found["0.intermediate"].matrix is None and found["0.intermediate"].axes is None


def test_means_are_one(dense: Victim, sentences: tuple[str, ...]):
    found = measure_importance(dense, sentences[:40], None)
    counts = torch.zeros(3)
    for batch in dense.batches(sentences[:40]):
        counts += torch.tensor(
            [len(batch.lengths), len(batch.lengths), batch.tokens - 2 * len(batch.lengths)]
        )
    assert sorted(found.kinds) == sorted(found.outputs) == sorted(found.scale) == sorted(LAYERS)
    for layer in LAYERS:
        assert float(found.kinds[layer] @ counts / counts.sum()) == pytest.approx(1, rel=1e-5)
        assert float(found.outputs[layer].diagonal.mean()) == pytest.approx(1, rel=1e-5)
        assert float(found.outputs[layer].diagonal.min()) >= OUTPUT_FLOOR


def test_weights_of_tokens_follow_their_kind(dense: Victim, sentences: tuple[str, ...]):
    found = Importance(
        {"0.query": torch.tensor([4.0, 2.0, 0.0]), "0.key": torch.tensor([0.0, 2.0, 0.0])}, {}, {}
    )
    batch = next(iter(dense.batches(sentences[:3])))
    weights = found.token_weights(["0.query", "0.key"], batch, dense.device).split(batch.lengths)
    first, last, between = (FLOOR + (1 - FLOOR) * share for share in (2.0, 2.0, 0.0))
    for part in weights:
        assert part.tolist() == [first, *[between] * (len(part) - 2), last]


def test_nothing_that_reaches_cls_counts_all_alike(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        importance_module.torch, "randn", lambda shape, generator: torch.zeros(shape)
    )
    found = measure_importance(dense, sentences[:5], None)
    assert all(value.unique().tolist() == [1.0] for value in found.kinds.values())
    assert all(
        one.diagonal.unique().tolist() == [1.0] and one.matrix is None
        for one in found.outputs.values()
    )


def close(first: Importance, second: Importance, tolerance: float) -> bool:
    def alike(a: Tensor, b: Tensor) -> bool:
        return torch.allclose(a, b, rtol=tolerance, atol=tolerance)

    return all(
        alike(first.kinds[layer], second.kinds[layer])
        and alike(without_floor(first.outputs[layer]), without_floor(second.outputs[layer]))
        for layer in LAYERS
    )


def test_it_depends_on_victim_and_text_only(dense: Victim, sentences: tuple[str, ...]):
    torch.manual_seed(1)
    first = measure_importance(dense, sentences[:40], None)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert close(measure_importance(dense, sentences[:40], None), first, 0.0)
    assert torch.equal(torch.get_rng_state(), state)
    assert not close(measure_importance(dense, sentences[40:80], None), first, 1e-3)


@pytest.mark.parametrize("tokens", [1, 30, 200, 10**6])
def test_how_the_tokens_are_cut_does_not_matter(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tokens: int
):
    """Directions go to sentences by length, so they stay with their sentence; true for widths that
    16 divides, which is how PyTorch draws, and of no matter otherwise. The order of the texts does
    matter: another draw of directions.
    """
    whole = measure_importance(dense, sentences[:40], None)
    monkeypatch.setattr(importance_module, "STREAM", {"cpu": tokens})
    # a last bit of the sums may tip the rounding of a metric's entry to half precision
    assert close(measure_importance(dense, sentences[:40], None), whole, 2.0**-10)


def test_the_model_is_as_it_was(dense: Victim, sentences: tuple[str, ...]):
    with torch.no_grad():  # as the pruner may call it
        measure_importance(dense, sentences[:10], None)
    assert all(
        parameter.grad is None and parameter.requires_grad for parameter in dense.model.parameters()
    )
    assert fingerprint_of(dense.model, dense.tokenizer) == dense.fingerprint


@pytest.mark.parametrize(("texts", "rows"), [(200, 67), (191, 96), (127, 127), (64, 64), (10, 10)])
def test_a_sample_is_spread_over_the_text(
    dense: Victim,
    sentences: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    texts: int,
    rows: int,
):
    seen: list[list[str]] = []
    real = Victim.encode
    monkeypatch.setattr(
        Victim,
        "encode",
        lambda self, some, pairs=None: seen.append(list(some)) or real(self, some, pairs),
    )
    measure_importance(dense, sentences[:texts], None, sample=64)
    assert seen == [list(sentences[: texts : max(1, texts // 64)])]
    # all of fewer than twice the sample, else up to half more
    assert len(seen[0]) == rows <= (127 if texts < 128 else 96)


def test_pairs_are_read_as_pairs(dense: Victim, sentences: tuple[str, ...]):
    paired = measure_importance(dense, sentences[:20], sentences[20:40])
    assert not close(paired, measure_importance(dense, sentences[:20], None), 1e-3)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_has_its_importance(
    write_model: Callable[..., Path], sentences: tuple[str, ...], tmp_path: Path, family: str
):
    victim = load_victim(str(write_model(tmp_path / family, family=family)), "cpu")
    told: list[str] = []
    found = measure_importance(
        victim, sentences[:10], None, partial(lambda stage, _done, _total: told.append(stage))
    )
    assert sorted(found.outputs) == sorted(LAYERS) and set(told) == {
        "importance of tokens and outputs"
    }
    assert all(bool(value.diagonal.isfinite().all()) for value in found.outputs.values())

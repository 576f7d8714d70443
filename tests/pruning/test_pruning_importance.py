"""Importance against the full Jacobian of the last [CLS], and what it depends on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.models.families import FAMILIES
from engine.models.victim import Victim, load_victim, weights_sha256
from engine.names import MODULES
from engine.pruning import importance as importance_module
from engine.pruning.importance import FLOOR, OUTPUT_FLOOR, Importance, measure_importance

LAYERS = [f"{block}.{name}" for block in range(2) for name in MODULES]


def jacobian_power(victim: Victim, text: str) -> dict[str, Tensor]:
    """‖∂h/∂y_ti‖² of every linear's output, (tokens, d_out), one component of h at a time through the plain padded model."""
    outputs: dict[str, Tensor] = {}
    hooks = []
    for index, block in enumerate(victim.family.blocks(victim.model)):
        for name, linear in block.linears.items():
            hooks.append(linear.register_forward_hook(lambda _m, _i, out, key=f"{index}.{name}": outputs.update({key: out})))
    hidden = victim.model.bert(**victim.tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0]
    for hook in hooks:
        hook.remove()
    power = {key: torch.zeros(value.shape[1:], dtype=torch.float64) for key, value in outputs.items()}
    for place in range(len(hidden)):
        found = torch.autograd.grad(hidden[place], list(outputs.values()), retain_graph=True, allow_unused=True)
        for key, gradient in zip(outputs, found, strict=True):
            power[key] += gradient[0].double().square() if gradient is not None else 0.0
    return power


def oracle(victim: Victim, texts: tuple[str, ...]) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, float]]:
    """(weights of kinds, weights of outputs, mean power of an output) from all tokens of all texts."""
    parts: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
    kinds: list[int] = []
    for text in texts:
        for layer, power in jacobian_power(victim, text).items():
            parts[layer].append(power)
        kinds += [0] + [2] * (len(parts[LAYERS[0]][-1]) - 2) + [1]
    which, by_kind, by_output, scale = torch.tensor(kinds), {}, {}, {}
    for layer in LAYERS:
        power = torch.cat(parts[layer])
        tokens = power.sum(dim=1)
        by_kind[layer] = torch.stack([tokens[which == kind].mean() for kind in range(3)]) / tokens.mean()
        by_output[layer] = power.sum(dim=0) / power.sum(dim=0).mean()
        scale[layer] = float(power.mean())
    return by_kind, by_output, scale


class Units:
    """In place of a generator of directions: √width times a unit vector, the same for all sentences."""

    def __init__(self, place: int) -> None:
        self.place = place

    def __call__(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        found = torch.zeros(shape)
        found[:, self.place] = shape[1] ** 0.5
        return found


def test_over_all_directions_it_is_the_jacobian(dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    """E over v replaced by the mean over the unit vectors times √width, which is exact."""
    texts, width = sentences[:6], 32
    found: list[Importance] = []
    with monkeypatch.context() as patch:
        for place in range(width):
            patch.setattr(importance_module.torch, "randn", Units(place))
            found.append(measure_importance(dense, texts, None))
    by_kind, by_output, scale = oracle(dense, texts)
    for layer in LAYERS:
        sizes = torch.tensor([one.scale[layer] for one in found], dtype=torch.float64)
        assert float(sizes.mean()) == pytest.approx(scale[layer], rel=1e-3)
        kinds = sum(size * one.kinds[layer].double() for size, one in zip(sizes, found, strict=True)) / sizes.sum()
        outputs = sum(size * one.outputs[layer].double() for size, one in zip(sizes, found, strict=True)) / sizes.sum()
        assert torch.allclose(kinds, by_kind[layer], rtol=1e-3, atol=1e-6), layer
        assert torch.allclose(outputs, by_output[layer], rtol=1e-3, atol=1e-6), layer


def test_random_directions_come_near_the_jacobian(dense: Victim, sentences: tuple[str, ...]):
    by_kind, by_output, scale = oracle(dense, sentences[:60])
    found = measure_importance(dense, sentences[:60], None)
    for layer in LAYERS:
        assert float((found.kinds[layer] - by_kind[layer]).norm() / by_kind[layer].norm()) < 0.35
        assert float((found.outputs[layer] - by_output[layer]).norm() / by_output[layer].norm()) < 0.5
        assert found.scale[layer] == pytest.approx(scale[layer], rel=0.4)
    last = found.kinds["1.output"]  # of the last block only [CLS] is read
    assert last[0] > 0 and last[1:].tolist() == [0.0, 0.0]


def test_means_are_one(dense: Victim, sentences: tuple[str, ...]):
    found = measure_importance(dense, sentences[:40], None)
    counts = torch.zeros(3)
    for stream in dense.streams(sentences[:40]):
        counts += torch.tensor([len(stream.lengths), len(stream.lengths), stream.tokens - 2 * len(stream.lengths)])
    assert sorted(found.kinds) == sorted(found.outputs) == sorted(found.scale) == sorted(LAYERS)
    for layer in LAYERS:
        assert float(found.kinds[layer] @ counts / counts.sum()) == pytest.approx(1, rel=1e-5)
        assert float(found.outputs[layer].mean()) == pytest.approx(1, rel=1e-5)
        assert float(found.of_outputs(layer).mean()) == pytest.approx(1, rel=1e-5)
        assert float(found.of_outputs(layer).min()) >= OUTPUT_FLOOR


def test_weights_of_tokens_follow_their_kind(dense: Victim, sentences: tuple[str, ...]):
    found = Importance({"0.query": torch.tensor([4.0, 2.0, 0.0]), "0.key": torch.tensor([0.0, 2.0, 0.0])}, {}, {})
    stream = next(iter(dense.streams(sentences[:3])))
    weights = found.of_tokens(["0.query", "0.key"], stream, dense.device).split(stream.lengths)
    first, last, between = (FLOOR + (1 - FLOOR) * share for share in (2.0, 2.0, 0.0))
    for part in weights:
        assert part.tolist() == [first, *[between] * (len(part) - 2), last]


def test_nothing_that_reaches_cls_counts_all_alike(dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importance_module.torch, "randn", lambda shape, generator: torch.zeros(shape))
    found = measure_importance(dense, sentences[:5], None)
    assert all(value.unique().tolist() == [1.0] for part in (found.kinds, found.outputs) for value in part.values())


def close(first: Importance, second: Importance, tolerance: float) -> bool:
    return all(
        torch.allclose(a[layer], b[layer], rtol=tolerance, atol=tolerance)
        for a, b in ((first.kinds, second.kinds), (first.outputs, second.outputs)) for layer in LAYERS
    )  # fmt: skip


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
    """Directions go to sentences by length, so they stay with their sentence; true for widths that 16 divides, which is
    how PyTorch draws, and of no matter otherwise. The order of the texts does matter: another draw of directions."""
    whole = measure_importance(dense, sentences[:40], None)
    monkeypatch.setattr(importance_module, "STREAM", tokens)
    assert close(measure_importance(dense, sentences[:40], None), whole, 1e-5)


def test_the_model_is_as_it_was(dense: Victim, sentences: tuple[str, ...]):
    with torch.no_grad():  # as the pruner may call it
        measure_importance(dense, sentences[:10], None)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in dense.model.parameters())
    assert weights_sha256(dense.model) == dense.fingerprint


@pytest.mark.parametrize(("texts", "rows"), [(200, 67), (64, 64), (10, 10)])
def test_a_sample_is_spread_over_the_text(
    dense: Victim, sentences: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, texts: int, rows: int
):
    seen: list[list[str]] = []
    real = Victim.encode
    monkeypatch.setattr(Victim, "encode", lambda self, some, pairs=None: seen.append(list(some)) or real(self, some, pairs))
    measure_importance(dense, sentences[:texts], None)
    assert seen == [list(sentences[: texts : max(1, texts // 64)])]
    assert len(seen[0]) == rows


def test_pairs_are_read_as_pairs(dense: Victim, sentences: tuple[str, ...]):
    paired = measure_importance(dense, sentences[:20], sentences[20:40])
    assert not close(paired, measure_importance(dense, sentences[:20], None), 1e-3)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_has_its_importance(
    write_model: Callable[..., Path], sentences: tuple[str, ...], tmp_path: Path, family: str
):
    victim = load_victim(str(write_model(tmp_path / family, family=family)), "cpu")
    told: list[str] = []
    found = measure_importance(victim, sentences[:10], None, partial(lambda stage, _done, _total: told.append(stage)))
    assert sorted(found.outputs) == sorted(LAYERS) and set(told) == {"importance of tokens and outputs"}
    assert all(bool(value.isfinite().all()) for value in found.outputs.values())

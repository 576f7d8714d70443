"""Many architectures are measured and looked into: against the plain model in float64."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from architectures import KINDS
from torch import Tensor, nn

from prunescope.engine.evaluation.inside import read_inside
from prunescope.engine.evaluation.measure import layer_errors
from prunescope.engine.models.victim import Victim

# 8 tokens and more; the batches of the first two, 8 and 16 tokens long, are without padding
TEXTS = (
    "the plot not very good actor",
    "warm bright music of the great and funny actor and a very long film",
    "the cast of the bad story and the plain music not good",
    "the long and slow film of the very long and dull cast not good and not bad",
)

HEADS = {"convbert": 2}  # of attention, where not 4

every = pytest.mark.parametrize("kind", KINDS)


def outputs_of_linears(victim: Victim) -> dict[str, Tensor]:
    """`block.module` → what it gives when it first runs, over TEXTS one by one, in float64."""
    model = victim.copy().model.double()
    outputs: dict[str, list[Tensor]] = {}
    seen: set[str] = set()

    def keep(layer: str, _module: nn.Module, _args: object, output: Tensor) -> None:
        if layer not in seen:
            seen.add(layer)
            outputs.setdefault(layer, []).append(output.detach().clone().flatten(0, -2))

    for layer, path in victim.architecture.paths.items():
        model.get_submodule(path).register_forward_hook(partial(keep, layer))
    for text in TEXTS:
        seen.clear()
        with torch.no_grad():
            model(**victim.tokenizer(text, return_tensors="pt"))
    return {layer: torch.cat(parts) for layer, parts in outputs.items()}


@every
def test_layer_errors_are_those_of_the_plain_model(
    victims: Callable[[str], Victim], kind: str
) -> None:
    dense = victims(kind)
    assert {len(ids) for ids in dense.encode(TEXTS)["input_ids"]} >= {8, 16}
    other = dense.copy()
    generator = torch.Generator().manual_seed(0)
    for weight in other.prunable().values():
        weight += 0.05 * torch.randn(weight.shape, generator=generator)
    before, after = outputs_of_linears(dense), outputs_of_linears(other)
    errors = layer_errors(dense, other, TEXTS, None)
    assert list(errors) == list(dense.prunable())
    for layer, error in errors.items():
        spread = (before[layer] - before[layer].mean(dim=0)).square().sum()
        expected = float((before[layer] - after[layer]).square().sum() / spread)
        assert error == pytest.approx(expected, rel=2e-3) and expected > 1e-4, layer
    assert set(layer_errors(dense, dense.copy(), TEXTS, None).values()) == {0.0}


@every
def test_states_and_attention_of_one_text(victims: Callable[[str], Victim], kind: str) -> None:
    victim, text = victims(kind), TEXTS[0]
    before = victim.model.config._attn_implementation
    inside, (logits, read) = read_inside(victim, text), victim.read([text])
    assert victim.model.config._attn_implementation == before
    with torch.inference_mode():
        states = victim.model(
            **victim.tokenizer(text, return_tensors="pt"), output_hidden_states=True
        ).hidden_states
    at = 0 if KINDS[kind].reads == "first" else -1
    assert inside.cls.shape == (3, 32)
    # the library's last ones are sometimes read before the last norm
    torch.testing.assert_close(inside.cls[1].float(), states[1][0, at], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(inside.cls[-1].float(), read[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        inside.probabilities, logits[0].double().softmax(dim=0), rtol=1e-4, atol=1e-6
    )
    tokens = len(victim.encode([text])["input_ids"][0])
    assert inside.attention.shape == (2, HEADS.get(kind, 4), tokens, tokens)
    sums = inside.attention.sum(dim=-1)
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=1e-4, atol=1e-4)

"""Int8, fewer blocks and smaller models, against slow oracles."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from small_models import write_model
from transformers import AutoModel

from prunescope.engine.baselines.blocks import first_blocks, head_resolved, shallow_base
from prunescope.engine.baselines.int8 import in_int8, int8_linears, read_int8, rounded, write_int8
from prunescope.engine.errors import SettingError
from prunescope.engine.models.base import open_base
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.pruning.heads import head_inputs
from prunescope.engine.pruning.methods import METHODS
from prunescope.engine.pruning.pipeline import prune

TEXTS = (
    "the film was good",
    "a dull story and bad music",
    "not great",
    "the cast is warm and the end is sweet and loud",
)


@pytest.mark.parametrize("seed", range(5))
def test_int8_is_off_by_half_a_step_at_most(seed: int) -> None:
    rows = (
        torch.randn(7, 33, generator=torch.Generator().manual_seed(seed))
        * torch.logspace(-6, 3, 7)[:, None]
    )
    rows[3] = 0.0
    whole, step = rounded(rows)
    assert whole.dtype == torch.int8 and int(whole.abs().max()) == 127
    assert bool(((rows - whole * step).abs() <= step / 2 * (1 + 1e-5)).all())
    assert bool((whole[3] == 0).all()) and bool((whole * step)[:, 0].isfinite().all())


def by_hand(linear: torch.nn.Linear, value: torch.Tensor) -> torch.Tensor:
    """The rounded product of one token, in Python's whole numbers."""
    linear = copy.deepcopy(linear).requires_grad_(False)
    out = []
    for row, bias in zip(linear.weight, linear.bias, strict=True):
        w_step, x_step = float(row.abs().max()) / 127, float(value.abs().max()) / 127
        total = sum(
            round(float(w) / w_step) * round(float(x) / x_step)
            for w, x in zip(row, value, strict=True)
        )
        out.append(total * w_step * x_step + float(bias))
    return torch.tensor(out)


def test_an_int8_linear_is_the_rounded_product(victim: Victim) -> None:
    linear = victim.linears()["0.query"].module
    built = in_int8(victim).linears()["0.query"].module
    value = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        result = built(value)
    for row, token in zip(result, value, strict=True):
        torch.testing.assert_close(row, by_hand(linear, token), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(result, linear(value), rtol=1e-4, atol=1e-5)  # it is rounded


def test_an_int8_answer_does_not_depend_on_the_texts_beside_it(steady_folder: Path) -> None:
    built = in_int8(load_victim(str(steady_folder), "cpu"))
    loud = built.read((*TEXTS, "awful awful awful"))[0]
    torch.testing.assert_close(built.read(TEXTS[:1])[0][0], loud[0], rtol=0, atol=1e-5)
    linear = next(iter(int8_linears(built.model).values()))
    rows = torch.randn(4, 64)
    torch.testing.assert_close(
        linear(rows)[:1], linear(torch.cat([rows[:1], 1e3 * rows[1:]]))[:1], rtol=0, atol=0
    )


def test_int8_leaves_the_rest_alone_and_the_victim_unharmed(victim: Victim) -> None:
    before = victim.read(TEXTS)[0]
    built = in_int8(victim)
    assert torch.equal(victim.read(TEXTS)[0], before)
    assert len(int8_linears(built.model)) == 12 and built.fingerprint != victim.fingerprint
    here, there = victim.model.state_dict(), built.model.state_dict()
    assert torch.equal(here["classifier.weight"], there["classifier.weight"])
    assert torch.equal(
        here["bert.embeddings.word_embeddings.weight"],
        there["bert.embeddings.word_embeddings.weight"],
    )


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
def test_int8_files_come_back_and_their_size_is_what_they_hold(
    victim: Victim, tmp_path: Path, sparsity: float
) -> None:
    pruned = prune(victim, (), None, METHODS["magnitude"], sparsity).victim if sparsity else victim
    built = in_int8(pruned)
    size = write_int8(built, path := tmp_path / "int8.safetensors")
    assert size == path.stat().st_size
    with safe_open(str(path), framework="pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    packed = [name for name in stored if name.endswith(".bitmap")]
    assert bool(packed) == (sparsity > 0.2)
    assert 0 < size - sum(tensor.nbytes for tensor in stored.values()) < 10_000  # the header
    weights = sum(
        value.nbytes for name, value in stored.items() if ".bitmap" in name or ".survivors" in name
    )
    if packed:
        assert (
            weights
            <= sum(
                1 - sparsity + 1 / 8
                for _ in range(sum(w.numel() for w in victim.prunable().values()))
            )
            + 100
        )
    back = read_int8(in_int8(victim), path)
    assert (
        torch.equal(back.read(TEXTS)[0], built.read(TEXTS)[0])
        and back.fingerprint == built.fingerprint
    )


def test_zeros_stay_zeros_in_int8(victim: Victim) -> None:
    pruned = prune(victim, (), None, METHODS["magnitude"], 0.75).victim
    whole = in_int8(pruned).prunable()
    for name, weight in pruned.prunable().items():
        assert bool((whole[name][weight == 0] == 0).all())


# what a head computes of the last hidden states (texts, tokens, width)
HEADS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "bert": lambda model, states: model.classifier(model.bert.pooler(states)),
    "roberta": lambda model, states: model.classifier(states),
    "electra": lambda model, states: model.classifier(states),
    "distilbert": lambda model, states: model.classifier(model.pre_classifier(states[:, 0]).relu()),
}


@pytest.mark.parametrize("family", HEADS)
def test_fewer_blocks_equal_a_model_that_stops_there(tmp_path: Path, family: str) -> None:
    victim = load_victim(str(write_model(tmp_path / family, family, layers=4)), "cpu")
    built = first_blocks(victim, 2)
    assert len(victim.architecture.modules(victim.model)) == 4
    assert len(built.architecture.modules(built.model)) == 2
    assert built.model.config.num_hidden_layers == 2
    for index, text in enumerate(TEXTS):
        inputs = {name: torch.tensor(ids) for name, ids in victim.encode([text]).items()}
        with torch.no_grad():
            body = getattr(victim.model, victim.architecture.body)
            states = body(**inputs, output_hidden_states=True).hidden_states
            expected = HEADS[family](victim.model, states[2])
        logits, cls = built.read(TEXTS)
        torch.testing.assert_close(cls[index], states[2][0, 0], rtol=0, atol=1e-5)
        torch.testing.assert_close(logits[index], expected[0], rtol=0, atol=1e-5)


def test_a_shallow_victim_is_saved_and_opened_as_it_is(victim: Victim, tmp_path: Path) -> None:
    built = first_blocks(victim, 1)
    built.model.save_pretrained(tmp_path / "one")
    built.tokenizer.save_pretrained(tmp_path / "one")
    again = load_victim(str(tmp_path / "one"), "cpu")
    assert again.fingerprint == built.fingerprint
    torch.testing.assert_close(again.read(TEXTS)[0], built.read(TEXTS)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [0, 2, 3])
def test_blocks_that_are_not_there_are_refused(victim: Victim, count: int) -> None:
    with pytest.raises(SettingError, match=f"has 2 blocks and the first {count} were asked for"):
        first_blocks(victim, count)


def test_a_head_is_resolved_to_the_least_squares(victim: Victim) -> None:
    """Against torch's least squares with the ridge as further rows."""
    texts = tuple(
        f"{item} {other} film {end}"
        for item in ("good", "bad", "dull", "warm", "sad", "great")
        for other in ("the", "a", "not", "very")
        for end in ("music", "story")
    )
    shallow = first_blocks(victim, 1)
    built = head_resolved(victim, shallow, texts, None)
    with torch.no_grad():
        (linear, expected), (own, inputs) = (
            head_inputs(item, texts, None)[0] for item in (victim, built)
        )
        target = linear(expected).double()
    centred = (inputs - inputs.mean(dim=0)).double()
    ridge = 0.01 * centred.square().sum() / centred.shape[1]
    rows = torch.cat([centred, ridge.sqrt() * torch.eye(centred.shape[1], dtype=torch.float64)])
    goal = torch.cat(
        [
            target - target.mean(dim=0),
            torch.zeros(centred.shape[1], target.shape[1], dtype=torch.float64),
        ]
    )
    torch.testing.assert_close(
        own.weight.double(), torch.linalg.lstsq(rows, goal).solution.T, rtol=1e-3, atol=1e-4
    )
    before, after = (
        (item.read(texts)[0] - victim.read(texts)[0]).norm() for item in (shallow, built)
    )
    assert after < before / 2


def test_a_shallow_base_is_the_first_blocks_of_the_base(model_folder: Path, tmp_path: Path) -> None:
    base = open_base(str(model_folder))
    whole = AutoModel.from_pretrained(model_folder)
    built = AutoModel.from_pretrained(shallow_base(base, 1, tmp_path / "base"))
    assert open_base(str(tmp_path / "base")).architecture.name == "bert"
    ids = torch.tensor([[2, 7, 9, 3]])
    with torch.no_grad():
        states = whole(ids, output_hidden_states=True).hidden_states
        torch.testing.assert_close(built(ids).last_hidden_state, states[1], rtol=0, atol=1e-6)
    with pytest.raises(SettingError, match="has 2 blocks"):
        shallow_base(base, 2, tmp_path / "more")

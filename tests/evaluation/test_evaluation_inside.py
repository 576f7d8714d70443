"""A look inside, against what transformers itself returns, and against plain formulas."""

import base64
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import write_model
from transformers import AutoModelForSequenceClassification

from prunescope.engine.errors import InputError
from prunescope.engine.evaluation.inside import (
    MAX_SHOWN,
    cls_distances,
    look_inside,
    principal_map,
    read_inside,
)
from prunescope.engine.models.victim import Victim, load_victim

TEXT = "the film is not a very bright story, and the music is slow."


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_states_attention_and_answer_are_those_of_transformers(tmp_path: Path, family: str) -> None:
    folder = write_model(tmp_path / family, family, layers=3)
    victim = load_victim(str(folder))
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        expected = model(
            **victim.tokenizer(TEXT, return_tensors="pt"),
            output_hidden_states=True,
            output_attentions=True,
        )
    result = read_inside(victim, TEXT)
    assert result.cls.shape == (4, 32) and result.attention.shape[:2] == (3, 4)
    torch.testing.assert_close(
        result.cls,
        torch.stack([state[0, 0] for state in expected.hidden_states]).double(),
        rtol=1e-4,
        atol=1e-5,
    )
    torch.testing.assert_close(
        result.attention,
        torch.stack([part[0] for part in expected.attentions]),
        rtol=1e-4,
        atol=1e-5,
    )
    torch.testing.assert_close(
        result.probabilities, expected.logits[0].double().softmax(dim=0), rtol=1e-4, atol=1e-6
    )
    assert len(result.tokens) == result.attention.shape[-1] and result.tokens[0] == "[CLS]"


def test_distances_are_the_plain_formulas() -> None:
    first, other = (
        torch.tensor([[3.0, 4.0], [1.0, 0.0]]).double(),
        torch.tensor([[0.0, 0.0], [0.0, 2.0]]).double(),
    )
    euclidean, cosine = cls_distances(first, other)
    assert euclidean == pytest.approx([5, 5**0.5]) and cosine[1] == pytest.approx(1)
    assert cls_distances(first, first) == ([0, 0], pytest.approx([0, 0]))


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 12), st.integers(2, 9), st.integers(0, 2**31))
def test_the_map_is_numpys_principal_components(points: int, width: int, seed: int) -> None:
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=(points, width)))
    placed, shares = principal_map(values)
    variances, axes = np.linalg.eigh(np.cov(values.numpy().T, bias=True))
    assert shares == pytest.approx(tuple(variances[::-1][:2] / variances.sum()), abs=1e-9)
    expected = (values.numpy() - values.numpy().mean(axis=0)) @ axes[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(placed.numpy()), np.abs(expected), atol=1e-6)
    torch.testing.assert_close(principal_map(values)[0], placed, rtol=0, atol=0)


def test_flat_points_keep_their_distances_on_the_map() -> None:
    flat = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 2)))
    turned = (
        torch.cat([flat, torch.zeros(8, 5)], dim=1)
        @ torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(1)).double())[0]
    )
    placed, shares = principal_map(turned)
    torch.testing.assert_close(
        torch.cdist(placed, placed), torch.cdist(flat, flat), rtol=1e-9, atol=1e-9
    )
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize(
    "points", [torch.zeros(4, 3), torch.ones(1, 3), torch.arange(12.0).reshape(4, 3)]
)
def test_points_that_do_not_span_a_plane_are_placed_all_the_same(points: torch.Tensor) -> None:
    placed, shares = principal_map(points)
    assert (
        placed.shape == (len(points), 2)
        and torch.isfinite(placed).all()
        and shares[1] == pytest.approx(0, abs=1e-9)
    )


@pytest.fixture
def pruned(victim: Victim) -> Victim:
    result = victim.copy()
    for weight in result.prunable().values():
        weight[::2] = 0
    return result


def test_a_look_holds_every_pair_and_reading(victim: Victim, pruned: Victim) -> None:
    result = look_inside(victim, pruned, TEXT, "a dull start.")
    assert [(pair["from"], pair["to"]) for pair in result["distances"]] == [
        (["dense", "clean"], ["pruned", "clean"]),
        (["dense", "adversarial"], ["pruned", "adversarial"]),
        (["dense", "clean"], ["dense", "adversarial"]),
        (["pruned", "clean"], ["pruned", "adversarial"]),
    ]
    assert result["distances"][0]["euclidean"][0] == 0 < result["distances"][0]["euclidean"][-1]
    assert {(part["side"], part["text"]) for part in result["map"]} == {
        (side, text) for side in ("dense", "pruned") for text in ("clean", "adversarial")
    }
    for part in result["attention"]:
        values = np.frombuffer(base64.b64decode(part["values"]), dtype=np.float16).reshape(
            part["shape"]
        )
        assert values.shape[-1] == len(part["tokens"]) and values.sum(axis=-1) == pytest.approx(
            1, abs=5e-3
        )


def test_the_same_victim_twice_is_at_no_distance(victim: Victim) -> None:
    result = look_inside(victim, victim.copy(), TEXT)
    assert result["distances"][0]["euclidean"] == [0.0] * (result["blocks"] + 1)
    assert len(result["distances"]) == 1


def test_a_long_text_shows_the_first_tokens_and_says_how_many_are_left_out(victim: Victim) -> None:
    part = look_inside(victim, victim, " ".join(["film"] * 60))["attention"][0]
    assert len(part["tokens"]) == MAX_SHOWN and part["cut"] > 0


@pytest.mark.parametrize("text", ["", " \n", "…!?"])
def test_a_text_without_words_is_refused(victim: Victim, text: str) -> None:
    with pytest.raises(InputError, match="no words"):
        look_inside(victim, victim, text)

"""Averaging: greedy against brute force, the mean of the weights, aligned heads, and who may not be
averaged.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunescope.engine.errors import ModelError, SettingError
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.records import Rate
from prunescope.engine.training.records import Score
from prunescope.engine.training.soup import average_victims, greedy, uniform, value_of

NAMES = ["a", "b", "c", "d", "e"]
Table = dict[frozenset[str], tuple[int, int]]


def score(acc: int, aua: int | None) -> Score:
    return Score(Rate.of(acc, 20), None if aua is None else Rate.of(aua, 8))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], Table]:
    """Made-up hits (Acc of 20, Aua of 8) of every set of up to five members."""
    names = NAMES[: draw(st.integers(1, 5))]
    subsets = [
        frozenset(s) for k in range(1, len(names) + 1) for s in itertools.combinations(names, k)
    ]
    return names, {
        subset: draw(st.tuples(st.integers(0, 20), st.integers(0, 8))) for subset in subsets
    }


def oracle(names: list[str], table: Table, which: int) -> tuple[list[str], list[str], int]:
    """(order, ingredients, value): repeatedly the best of the remaining members is tried."""
    left, order = list(names), []
    while left:
        best = left[0]
        for name in left[1:]:
            item, two = table[frozenset([name])], table[frozenset([best])]
            if (item[which], item[0]) > (two[which], two[0]):
                best = name
        left.remove(best)
        order.append(best)
    taken, value = [], -1
    for name in order:
        result = table[frozenset([*taken, name])][which]
        if result >= value:
            taken, value = [*taken, name], result
    return order, taken, value


@given(tables(), st.sampled_from(["acc", "aua"]))
def test_greedy_is_the_written_out_algorithm(sample: tuple[list[str], Table], by: str):
    names, table = sample
    requested: list[frozenset[str]] = []

    def together(chosen: Sequence[str]) -> Score:
        assert len(chosen) > 1
        requested.append(frozenset(chosen))
        return score(*table[frozenset(chosen)])

    result = greedy(names, by, lambda name: score(*table[frozenset([name])]), together)
    order, taken, value = oracle(names, table, 0 if by == "acc" else 1)
    assert [step.member for step in result.steps] == order
    assert list(result.ingredients) == taken == [step.member for step in result.steps if step.taken]
    assert result.steps[0].taken and result.by == by
    assert value_of(result.score, by) == value == table[frozenset(taken)][0 if by == "acc" else 1]
    assert all(value >= value_of(single, by) for single in result.singles.values())
    assert result.singles == {name: score(*table[frozenset([name])]) for name in names}
    assert len(requested) == len(names) - 1


@given(tables())
def test_uniform_takes_all_in_their_order(sample: tuple[list[str], Table]):
    names, table = sample
    result = uniform(
        names,
        lambda name: score(*table[frozenset([name])]),
        lambda chosen: score(*table[frozenset(chosen)]),
    )
    assert result.ingredients == tuple(names) and all(step.taken for step in result.steps)
    assert [step.score for step in result.steps] == [
        score(*table[frozenset(names[:k])]) for k in range(1, len(names) + 1)
    ]
    assert result.score == score(*table[frozenset(names)])


def test_greedy_by_aua_needs_an_attack():
    with pytest.raises(SettingError, match="needs an attack on the selection set"):
        greedy(["a"], "aua", lambda _: score(3, None), lambda _: score(3, None))
    assert greedy(["a"], "acc", lambda _: score(3, None), lambda _: score(3, None)).ingredients == (
        "a",
    )


# Weights


@pytest.fixture
def members(write_model: Callable[..., Path], tmp_path: Path) -> Callable[..., dict[str, Victim]]:
    """Makes members of one architecture with weights of their own; `changes` go into single
    configurations.
    """

    def made(count: int = 3, family: str = "bert", **changes: dict[str, Any]) -> dict[str, Victim]:
        return {
            name: load_victim(
                str(
                    write_model(tmp_path / name, family=family, seed=seed, **changes.get(name, {}))
                ),
                "cpu",
            )
            for seed, name in enumerate(NAMES[:count])
        }

    return made


def test_the_average_is_the_mean_of_the_weights(members: Callable[..., dict[str, Victim]]):
    result = members()
    built = average_victims(result.__getitem__, NAMES[:3])
    states = [victim.model.state_dict() for victim in result.values()]
    for name, value in built.model.state_dict().items():
        expected = (
            sum(state[name].double() for state in states) / 3
            if value.is_floating_point()
            else states[0][name]
        )
        assert torch.equal(value, expected.to(value.dtype)), name
    assert built.fingerprint not in {victim.fingerprint for victim in result.values()}
    other = average_victims(result.__getitem__, ["c", "a", "b"]).model.state_dict()
    assert all(
        torch.allclose(value, other[name], rtol=1e-6, atol=1e-7)
        for name, value in built.model.state_dict().items()
    )


def test_members_stay_as_they_were_and_one_is_its_own_average(
    members: Callable[..., dict[str, Victim]],
):
    result = members(2)
    before = {
        name: {key: v.clone() for key, v in victim.model.state_dict().items()}
        for name, victim in result.items()
    }
    average_victims(result.__getitem__, ["a", "b"])
    for name, victim in result.items():
        assert all(
            torch.equal(value, before[name][key])
            for key, value in victim.model.state_dict().items()
        )
    assert average_victims(result.__getitem__, ["b"]).fingerprint == result["b"].fingerprint


LABELS = {"id2label": {0: "negative", 1: "neutral", 2: "positive"}, "num_labels": 3}
TURNED = {"id2label": {0: "Positive", 1: "Negative", 2: "Neutral"}, "num_labels": 3}


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_heads_are_aligned_by_their_labels(members: Callable[..., dict[str, Victim]], family: str):
    result = members(2, family, a=LABELS, b=TURNED)
    texts = ["a good film", "bad"]
    expected = result["b"].read(texts)[0][:, [1, 2, 0]]  # negative, neutral, positive
    twice = average_victims(
        lambda name: result["b"] if name == "b" else relabelled(result["b"]), ["a", "b"]
    )
    assert twice.label_names == ("negative", "neutral", "positive")
    assert torch.allclose(twice.read(texts)[0], expected, atol=1e-5)


def relabelled(victim: Victim) -> Victim:
    """The same classifier with its labels in the usual order."""
    built = victim.copy()
    state = built.model.state_dict()
    for name in built.architecture.last_layer(built.model):
        state[name].copy_(state[name][[1, 2, 0]].clone())
    built.model.config.id2label = LABELS["id2label"]
    built.label_names = tuple(LABELS["id2label"].values())
    return built


def test_labels_without_names_are_taken_as_they_stand(members: Callable[..., dict[str, Victim]]):
    result = members(2, a=LABELS, b={"num_labels": 3})
    built = average_victims(result.__getitem__, ["a", "b"]).model.state_dict()
    expected = (
        result["a"].model.classifier.bias.double() + result["b"].model.classifier.bias.double()
    ) / 2
    assert torch.equal(built["classifier.bias"], expected.float())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"hidden_size": 64},
            r"b cannot be averaged with a: bert.embeddings.\S+ is \(\d+, 64\), not \(\d+, 32\)",
        ),
        (
            {"num_hidden_layers": 3},
            r"b cannot be averaged with a: only one of them has bert.encoder.layer.2\.",
        ),
        ({"num_labels": 3}, "b cannot be averaged with a: it has 3 labels, not 2"),
        ({"id2label": {0: "x", 1: "y"}}, None),
    ],
)
def test_members_that_differ(
    members: Callable[..., dict[str, Victim]], changes: dict[str, Any], message: str | None
):
    changes = {
        ("layers" if name == "num_hidden_layers" else name): value
        for name, value in changes.items()
    }
    result = members(2, b=changes)
    if message is None:  # named against nameless is no difference
        average_victims(result.__getitem__, ["a", "b"])
        return
    with pytest.raises(ModelError, match=message):
        average_victims(result.__getitem__, ["a", "b"])


def test_members_with_other_labels(members: Callable[..., dict[str, Victim]]):
    result = members(2, a={"id2label": {0: "no", 1: "yes"}}, b={"id2label": {0: "bad", 1: "good"}})
    with pytest.raises(
        ModelError,
        match="a calls its classes no, yes, and b calls them bad, good; nothing says which is "
        "which, so",
    ):
        average_victims(result.__getitem__, ["a", "b"])


def test_members_of_another_family_or_vocabulary(
    members: Callable[..., dict[str, Victim]], write_model: Any, tmp_path: Path
):
    result = members(2)
    electra = load_victim(str(write_model(tmp_path / "electra", family="electra")), "cpu")
    with pytest.raises(ModelError, match="b cannot be averaged with a: it is electra, not bert"):
        average_victims(lambda name: result["a"] if name == "a" else electra, ["a", "b"])
    result["b"].tokenizer.add_tokens(["zebra"])
    with pytest.raises(
        ModelError,
        match=r"b cannot be averaged with a: their vocabularies differ, first at \d+ \('zebra'\)",
    ):
        average_victims(result.__getitem__, ["a", "b"])

"""Shares of layers: by hand and by equal loss."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from prunescope.engine.errors import SettingError
from prunescope.engine.pruning.allocation import GRID, SPREAD, STEP, Shares, _between, parse_layers
from prunescope.engine.pruning.patterns import NofM, Pattern, Unstructured
from prunescope.engine.records import MODULES

LAYERS = tuple(f"{block}.{name}" for block in range(2) for name in MODULES)
WEIGHTS = (1000, 1000, 1000, 1000, 4000, 4000) * 2


UNSTRUCTURED = Unstructured()


def shares(
    by_hand: str = "",
    pattern: Pattern = UNSTRUCTURED,
    losses: dict[str, list[float]] | None = None,
) -> Shares:
    return Shares(LAYERS, WEIGHTS, pattern, parse_layers(by_hand), losses or {})


# By hand


def test_names_and_shares_are_read():
    assert parse_layers("") == {}
    assert parse_layers("0=0,output=0.4, 5.output =0.3,") == {
        "0": 0.0,
        "output": 0.4,
        "5.output": 0.3,
    }


def test_a_json_file_is_read(tmp_path: Path):
    (tmp_path / "shares.json").write_text('{"0": 0, "5.output": 0.3}', encoding="utf-8")
    assert parse_layers(str(tmp_path / "shares.json")) == {"0": 0.0, "5.output": 0.3}


@pytest.mark.parametrize(
    "text", ["0", "0=", "=0.3", "0=1", "0=-0.1", "0=nan", "0=half", "0=0.5=0.5", "0:0.5"]
)
def test_what_is_no_share_is_refused(text: str):
    with pytest.raises(
        SettingError,
        match=r"is not a layer with a share in \[0, 1\); write 0=0,output=0.4,5.output=0.3",
    ):
        parse_layers(text)


@pytest.mark.parametrize("content", ["{", "", "\xff"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, content: str):
    (tmp_path / "odd.json").write_text(content, encoding="latin-1")
    with pytest.raises(
        SettingError, match=r"odd.json cannot be read as JSON .*; give an object such as"
    ):
        parse_layers(str(tmp_path / "odd.json"))
    with pytest.raises(SettingError, match=r"none.json cannot be read as JSON"):
        parse_layers(str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    "content", [[1, 2], 5, "text", {"0": None}, {"0": "a"}, {"0": [1]}, {"": 0.5}, {"0": 1.0}]
)
def test_a_file_with_something_else_is_refused(tmp_path: Path, content: object):
    (tmp_path / "odd.json").write_text(json.dumps(content))
    with pytest.raises(SettingError, match="is not a layer with a share"):
        parse_layers(str(tmp_path / "odd.json"))


def test_all_layers_are_alike_where_nothing_is_said():
    assert shares().at(0.7) == dict.fromkeys(LAYERS, 0.7)


def test_the_most_exact_name_wins():
    found = shares("0=0.1,output=0.2,0.output=0.3").at(0.7)
    assert found == {
        layer: {"0.output": 0.3, "1.output": 0.2}.get(layer, 0.1 if layer[0] == "0" else 0.7)
        for layer in LAYERS
    }
    assert list(found) == list(LAYERS)


def test_a_share_of_zero_leaves_a_layer_dense():
    assert [layer for layer, share in shares("1=0").at(0.5).items() if share == 0] == list(
        LAYERS[6:]
    )


def test_nothing_is_pruned_at_the_dense_level():
    assert set(shares("output=0.4").at(0.0).values()) == {0.0}


@pytest.mark.parametrize("name", ["2", "outputs", "2.output", "0.outputs", "output.0", "0.", "-1"])
def test_a_layer_that_is_not_there_is_refused_with_those_there_are(name: str):
    with pytest.raises(
        SettingError,
        match=rf"no layer '{name}'; name a block \(0 to 1\), a module \(query, key, value, "
        rf"attention_output, intermediate, output\) or both, as in 0.query",
    ):
        shares(f"{name}=0.5")


def test_a_share_that_the_pattern_cannot_reach_is_refused():
    with pytest.raises(SettingError, match=r"2:4 has a sparsity of 0\.5 and cannot reach 0\.3"):
        shares("output=0.3", NofM(2, 4))
    assert shares("output=0,0=0.5", NofM(2, 4)).at(0.5)["1.output"] == 0.0


# Equal loss


def losses(spread: dict[str, float] | None = None, power: float = 2.0) -> dict[str, list[float]]:
    """Losses (s / (1 − s))^power a weight, times a factor for chosen layers."""
    return {
        layer: [(spread or {}).get(layer, 1.0) * size * (s / (1 - s)) ** power for s in GRID]
        for layer, size in zip(LAYERS, WEIGHTS, strict=True)
    }


def mean(found: dict[str, float], layers: tuple[str, ...] = LAYERS) -> float:
    sizes = dict(zip(LAYERS, WEIGHTS, strict=True))
    return sum(found[layer] * sizes[layer] for layer in layers) / sum(
        sizes[layer] for layer in layers
    )


SPREADS = [
    {},
    {"0.output": 1e12},
    {"0.output": 1e-12, "1.key": 50.0},
    {layer: 3.0**i for i, layer in enumerate(LAYERS)},
    dict.fromkeys(LAYERS[:6], 0.0),
    dict.fromkeys(LAYERS, 0.0),
]


@pytest.mark.parametrize("spread", SPREADS, ids=range(len(SPREADS)))
@pytest.mark.parametrize("level", [0.02, 0.1, 0.3, 0.5, 0.7, 0.875, 0.95, 0.99, 0.995])
def test_the_mean_is_the_level_and_no_layer_is_far_from_it(spread: dict[str, float], level: float):
    found = shares(losses=losses(spread)).at(level)
    zeros = [found[layer] * size for layer, size in zip(LAYERS, WEIGHTS, strict=True)]
    assert zeros == pytest.approx([round(count) for count in zeros], abs=1e-9)
    assert sum(map(round, zeros)) == int(level * sum(WEIGHTS) + 0.5)  # to the weight
    for share in found.values():
        assert 0 <= share < 1 and 1 - share <= SPREAD * (1 - level) + 1e-3
        assert share <= max(level, 1 - (1 - level) / SPREAD) + 1e-3


@pytest.mark.parametrize("level", [0.3, 0.5, 0.9])
def test_layers_of_one_loss_are_alike(level: float):
    found = shares(losses=losses()).at(level)
    assert max(found.values()) - min(found.values()) <= STEP + 1e-3


def test_a_layer_of_huge_loss_gives_least_and_one_of_no_loss_most():
    found = shares(losses=losses({"0.output": 1e12, "1.key": 1e-12})).at(0.5)
    assert found["0.output"] == 0.0 and found["1.key"] == pytest.approx(1 - 0.5 / SPREAD, abs=1e-3)
    assert all(
        0.45 < share < 0.8 for layer, share in found.items() if layer not in ("0.output", "1.key")
    )


@pytest.mark.parametrize("level", [0.4, 0.6, 0.8])
def test_no_trade_between_two_layers_lowers_the_sum_of_losses(level: float):
    """The oracle: the total loss, by the curves' own formula, of moving the same number of weights
    from one layer to another.
    """
    spread = {layer: 1.5 ** (i % 4) for i, layer in enumerate(LAYERS)}
    found, sizes = shares(losses=losses(spread)).at(level), dict(zip(LAYERS, WEIGHTS, strict=True))

    def cost(layer: str, share: float) -> float:
        return float(_between(losses(spread)[layer], np.array([share]))[0])

    for one, other in itertools.permutations(LAYERS, 2):
        for weights in (5, 20):
            more, less = found[one] + weights / sizes[one], found[other] - weights / sizes[other]
            before = cost(one, found[one]) + cost(other, found[other])
            assert cost(one, more) + cost(other, less) > before * (1 - 2e-3), (one, other)


def test_losses_between_the_points_follow_the_formula_they_came_from():
    curve = np.array(losses()["0.query"])
    assert _between(curve, np.array(GRID)) == pytest.approx(curve)
    assert _between(curve, np.array([0.0]))[0] == 0.0
    asked = np.linspace(0.05, 0.98, 60)
    found, truth = _between(curve, asked), WEIGHTS[0] * (asked / (1 - asked)) ** 2
    assert found == pytest.approx(truth)


def test_layers_given_by_hand_stand_and_the_others_meet_the_level():
    found = shares("output=0.1", losses=losses({"1.key": 1e3})).at(0.5)
    others = tuple(layer for layer in LAYERS if "output" not in layer.split(".")[1:])
    assert found["0.output"] == found["1.output"] == 0.1
    assert mean(found, others) == pytest.approx(0.5, abs=1e-9)


def test_all_layers_given_by_hand_stand():
    assert set(shares("0=0.2,1=0.2", losses=losses({})).at(0.5).values()) == {0.2}


def test_groups_have_no_shares_to_choose():
    with pytest.raises(
        SettingError, match="2:4 fixes the sparsity of every layer; use `allocation=uniform`"
    ):
        shares(pattern=NofM(2, 4), losses=losses({}))
